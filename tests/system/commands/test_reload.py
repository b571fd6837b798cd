"""Reading the configuration again while the daemon runs."""

import re
import shutil
import signal
from pathlib import Path

import cv2
import numpy as np
from broker import Mosquitto, Subscriber
from command import REPOSITORY, START_S, Daemon
from talk import ALL, Ask, assert_nothing_is_missing, assert_source_went_on, health, info, more_results, seen
from waiting import until

from edge_infer.settings import load_settings


def test_reload_restarts_what_changed_and_leaves_the_rest_alone(
    daemon: Daemon, config: Path, still: str, subscriber: Subscriber, ask: Ask
) -> None:
    before = info(subscriber)["config_sha256"]
    text = config.read_text()
    config.write_text(text.replace("door:", "gate:").replace("device: cpu}\n", "device: cpu, workers: 2}\n", 1))
    answer = ask("reload")
    assert answer["data"] == {
        "started": ["gate"],
        "ended": ["door"],
        "restarted": [],
        "unchanged": ["yard"],
        "needs_restart": [],
    }
    more_results(subscriber, "gate")
    config.write_text(text.replace("yard:", "gate:").replace("max_results: 5", "max_results: 3"))
    answer = ask("reload")
    assert answer["data"]["started"] == ["door"]
    assert (answer["data"]["ended"], answer["data"]["restarted"]) == (["yard"], ["gate"])
    until(lambda: seen(subscriber, "gate") == 3, what="the new limit")
    assert_nothing_is_missing(subscriber)
    until(lambda: info(subscriber)["config_sha256"] not in ("", before), what="another digest")
    until(lambda: set(info(subscriber)["pipelines"]) == {"gate", "door"}, what="the new pipelines")
    # as `edge-infer config` on another machine would compute it
    until(lambda: info(subscriber)["config_sha256"] == load_settings(config).sha256(), what="the digest of the file")


def test_a_pipeline_that_did_not_change_loses_no_frame_in_a_reload(
    daemon: Daemon, config: Path, subscriber: Subscriber, ask: Ask
) -> None:
    config.write_text(config.read_text().replace("max_results: 5", "max_results: 2", 1))
    assert ask("reload")["data"] == {
        "started": [],
        "ended": [],
        "restarted": ["door"],
        "unchanged": ["yard"],
        "needs_restart": [],
    }
    until(lambda: seen(subscriber, "door") == 2, what="the new limit")
    more_results(subscriber, "yard")
    assert_source_went_on(subscriber, "yard")
    assert_nothing_is_missing(subscriber)


BAD = {
    "a wrong key": ("    model:", "    modell: 1\n    model:", "config.yaml:9:5: pipelines.door: unknown key 'modell'"),
    "no YAML": ("pipelines:", "\tpipelines:", "a tab cannot indent"),
    "no such model": ("path: /", "path: /nowhere/", "pipelines.door: there is no model at /nowhere/"),
    "no such picture": ("uri: /", "uri: /nowhere/", "/nowhere/"),
    "no token": (ALL, "commands: {token_file: nowhere}", "cannot read the token"),
}


def test_a_bad_file_is_refused_and_the_last_good_one_stays(
    daemon: Daemon, config: Path, subscriber: Subscriber, ask: Ask
) -> None:
    good = config.read_text()
    for old, new, said in BAD.values():
        config.write_text(good.replace(old, new))
        answer = ask("reload")
        assert not answer["ok"]
        assert said in answer["error"]
        assert said.rpartition("config.yaml")[2] in daemon.log
        more_results(subscriber, "door")
    config.write_text(good)
    assert ask("reload")["data"]["unchanged"] == ["door", "yard"]
    assert_source_went_on(subscriber, "door")
    assert_source_went_on(subscriber, "yard")
    assert_nothing_is_missing(subscriber)


def test_a_refused_file_is_a_reason_until_a_good_one_is_read(
    daemon: Daemon, config: Path, subscriber: Subscriber, ask: Ask
) -> None:
    good = config.read_text()
    config.write_text(good.replace("    model:", "    modell: 1\n    model:", 1))
    assert not ask("reload")["ok"]
    until(lambda: subscriber.states()[-1] == "degraded", what="the status")
    reason = subscriber.on("/status")[-1].said["reasons"]["config"]
    assert reason.startswith("the file is refused, all stays as it was: ")
    assert "unknown key 'modell'" in reason
    config.write_text(good)
    assert ask("reload")["ok"]
    until(lambda: subscriber.states()[-1] == "online", what="the end of the trouble")


def test_a_model_that_was_replaced_under_its_name_is_loaded(
    daemon: Daemon, config: Path, subscriber: Subscriber, ask: Ask, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(REPOSITORY / "models/face-detection", bundle)
    config.write_text(config.read_text().replace(str(REPOSITORY / "models/face-detection"), str(bundle), 1))
    assert ask("reload")["data"]["restarted"] == ["door"]
    assert ask("reload")["data"]["unchanged"] == ["door", "yard"]
    manifest = bundle / "manifest.yaml"
    manifest.with_suffix(".new").write_text(re.sub(r"(?m)^version: .*$", "version: 9.9.9", manifest.read_text()))
    manifest.with_suffix(".new").rename(manifest)
    answer = ask("reload")["data"]
    assert (answer["restarted"], answer["unchanged"]) == (["door"], ["yard"])
    until(lambda: "@9.9.9" in str(info(subscriber)["pipelines"].get("door")), what="the new model")
    assert_source_went_on(subscriber, "yard")
    assert_nothing_is_missing(subscriber)


def test_every_mistake_of_a_file_is_named_with_its_place(daemon: Daemon, config: Path, ask: Ask) -> None:
    config.write_text(config.read_text().replace("    model:", "    modell: 1\n    model:"))
    mistakes = ask("reload")["error"].splitlines()
    assert [mistake.partition("config.yaml")[2][:29] for mistake in mistakes] == [
        ":9:5: pipelines.door: unknown",
        ":14:5: pipelines.yard: unknow",
    ]


def test_sighup_reloads_and_says_what_it_did(daemon: Daemon, config: Path, subscriber: Subscriber) -> None:
    config.write_text(config.read_text().replace("fps: 20", "fps: 10", 1))
    daemon.signal(signal.SIGHUP)
    daemon.says("the configuration was read again")
    assert "restarted=door" in daemon.log
    config.write_text("nonsense")
    daemon.signal(signal.SIGHUP)
    daemon.says("the configuration is refused, all stays as it was")
    more_results(subscriber, "door")
    daemon.signal(signal.SIGTERM)
    assert daemon.ends(5.0) == 0


def test_what_needs_a_restart_is_named_and_the_rest_is_applied(
    daemon: Daemon, config: Path, subscriber: Subscriber, ask: Ask
) -> None:
    text = config.read_text().replace("id: porch", "id: roof").replace("{url", "{keepalive_s: 20, url")
    config.write_text(text.replace("max_results: 5", "max_results: 2", 1).replace(ALL, "commands: {}"))
    answer = ask("reload")
    assert answer["data"]["needs_restart"] == ["device.id", "mqtt.keepalive_s"]
    assert answer["data"]["restarted"] == ["door"]
    until(lambda: seen(subscriber, "door") == 2, what="the new limit")
    assert "is not allowed" in ask("reload")["error"]


def test_a_pause_survives_a_reload(daemon: Daemon, config: Path, subscriber: Subscriber, ask: Ask) -> None:
    ask("pause", pipeline="door")
    config.write_text(config.read_text().replace("fps: 20", "fps: 10", 1))
    assert ask("reload")["data"]["restarted"] == ["door"]
    until(lambda: health(subscriber, "door")["frames"] > 3, what="frames of the new one")
    assert (health(subscriber, "door")["state"], health(subscriber, "door")["results"]) == ("paused", 0)
    assert ask("resume", pipeline="door")["ok"]
    more_results(subscriber, "door")


def test_without_a_file_reload_says_so(
    tmp_path: Path, model: Path, mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    video = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (160, 120))
    for number in range(200):
        writer.write(np.full((120, 160, 3), number, np.uint8))
    writer.release()
    with Daemon(tmp_path, "--source", video, "--model", model, "--mqtt", mosquitto.url, "--id", "porch") as daemon:
        until(subscriber.seqs, START_S, "a result")
        daemon.signal(signal.SIGHUP)
        daemon.says("there is no configuration file")
