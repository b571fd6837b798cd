"""The main job, as a newcomer starts it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from footage import write_clip

from edge_infer.tools import local_broker

ROOT = Path(__file__).resolve().parents[2]
needs_a_broker = pytest.mark.skipif(
    local_broker.find_mosquitto() is None, reason="needs mosquitto: apt install mosquitto"
)


def demo(*arguments: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "edge_infer", "demo", *arguments]
    return subprocess.run(command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=90)


@needs_a_broker
def test_the_demo_finds_the_face_where_it_is_and_loses_nothing(tmp_path: Path) -> None:
    ran = demo("--seconds", "3", "--json", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    summary = json.loads(ran.stdout.splitlines()[-1])
    assert set(summary) == {"published", "received", "lost", "fps", "p95_ms", "iou_mean", "rows", "missing", "double"}
    assert summary["published"] == summary["received"] == summary["rows"] >= 10
    assert summary["missing"] == summary["double"] == 0
    assert summary["lost"] == 0
    assert summary["iou_mean"] >= 0.5
    assert summary["p95_ms"] > 0
    picture = cv2.imread(str(tmp_path / "out/demo.jpg"))
    assert picture is not None
    assert picture.shape == (480, 640, 3)
    box_color = (picture.astype(int) - (0, 159, 230)).__abs__().max(axis=2) < 40
    assert box_color.sum() > 300, "the picture shows no box"


@needs_a_broker
def test_the_demo_for_people_shows_configuration_table_and_summary(tmp_path: Path) -> None:
    ran = demo("--seconds", "1", "--out", "picture.jpg", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "kind" in ran.stdout
    assert "results arrived, 0 lost" in ran.stdout
    assert "0 missing, 0 double" in ran.stdout
    assert all(stage in ran.stdout for stage in ("wait", "prepare", "infer", "decode", "publish", "total"))
    assert "face 0." in ran.stdout
    assert (tmp_path / "picture.jpg").is_file()


@needs_a_broker
def test_the_demo_on_a_video_publishes_each_frame(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi")
    capture = cv2.VideoCapture(str(clip))
    frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    ran = demo("--video", str(clip), "--seconds", "20", "--json", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    summary = json.loads(ran.stdout)
    assert (summary["published"], summary["received"], summary["lost"]) == (frames, frames, 0)
    assert summary["iou_mean"] is None


@needs_a_broker
@pytest.mark.parametrize("arguments", [("--camera", "97"), ("--video", "nowhere.mp4")])
def test_a_source_that_is_not_there_ends_the_demo_with_one_reason(arguments: tuple[str, str], tmp_path: Path) -> None:
    ran = demo(*arguments, "--json", folder=tmp_path)
    assert ran.returncode == 69
    assert "Traceback" not in ran.stderr
    assert arguments[1] in ran.stderr


def test_the_demo_refuses_what_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_text("hello")
    ran = demo("--model", "m.tflite", folder=tmp_path)
    assert ran.returncode == 65
    assert ran.stderr.count("\n") == 1


def test_a_broker_is_there_without_mosquitto(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("iotcore", reason="needs iotcore: pip install edge-infer[demo]")
    from edge_infer.mqtt.broker import Broker
    from edge_infer.mqtt.link import Message, connect

    monkeypatch.setattr(local_broker, "find_mosquitto", lambda: None)
    heard: list[Message] = []
    with local_broker.local_broker() as url:
        link = connect(Broker(url=url), "test", subscribe=("a/b",), on_message=heard.append)
        while not link.subscribed:
            link.wait(5.0)
        link.publish(Message("a/b", b"hello"))
        while not heard:
            link.wait(5.0)
        link.close()
    assert heard[0].payload == b"hello"
