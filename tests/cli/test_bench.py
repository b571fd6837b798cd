"""`edge-infer bench`: what it prints; how fast is not asserted here."""

import json
from pathlib import Path

import pytest

from edge_infer.cli.main import main
from edge_infer.tools.local_broker import find_mosquitto

BUNDLE = str(Path(__file__).resolve().parents[2] / "models/face-detection")
pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="needs mosquitto: apt install mosquitto")


def test_bench_ends_with_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--json", "--seconds", "0.2", "--rounds", "1", BUNDLE]) == 0
    speeds = json.loads(capsys.readouterr().out.splitlines()[-1])["models"]
    assert [speed["model"] for speed in speeds] == ["face-detection"]
    figures = {"bare_fps", "bare_cpu_ms", "pipeline_fps", "cpu_ms", "p50_ms", "p95_ms", "loop_fps", "loop_cpu_ms"}
    assert set(speeds[0]) == {"model"} | figures
    assert all(speeds[0][figure] > 0 for figure in figures)


def test_bench_for_people_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--seconds", "0.1", "--rounds", "2", BUNDLE]) == 0
    assert "face-detection" in capsys.readouterr().out
