"""Each command to a running daemon, over a real broker."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from broker import Mosquitto, Subscriber
from command import START_S, Daemon
from talk import Ask, assert_nothing_is_missing, health, info, more_results, seen
from waiting import until

Configure = Callable[..., Path]


def test_ping_tells_time_epoch_and_uptime(daemon: Daemon, ask: Ask) -> None:
    answer = ask("ping")
    assert answer["ok"], answer
    assert answer["data"]["epoch"] == 1
    assert answer["data"]["time"] > 1e9
    assert answer["data"]["uptime_s"] > 0


def test_only_ping_is_allowed_where_nothing_is_said(
    tmp_path: Path, configure: Configure, mosquitto: Mosquitto, subscriber: Subscriber, ask: Ask
) -> None:
    config = configure(f"mqtt: {{url: '{mosquitto.url}'}}")
    with Daemon(tmp_path, "--config", config) as daemon:
        until(subscriber.seqs, START_S, "a result")
        assert ask("ping")["ok"]
        answer = ask("restart")
        assert answer["error"] == (
            "the command 'restart' is not allowed: `commands.allow` in the configuration says; allowed here: ping"
        )
        assert daemon.process.poll() is None


def test_a_token_is_asked_for_and_never_logged(
    tmp_path: Path, configure: Configure, mosquitto: Mosquitto, subscriber: Subscriber, ask: Ask
) -> None:
    (tmp_path / "token").write_text("open sesame\n")
    config = configure(f"mqtt: {{url: '{mosquitto.url}'}}\ncommands: {{allow: [ping, pause], token_file: token}}")
    with Daemon(tmp_path, "--config", config, "--log-level", "debug") as daemon:
        until(subscriber.seqs, START_S, "a result")
        assert ask("ping")["ok"]
        assert "needs the token" in ask("pause", pipeline="door")["error"]
        assert "needs the token" in ask("pause", pipeline="door", token="open barley")["error"]
        assert ask("pause", pipeline="door", token="open sesame")["ok"]
        assert "sesame" not in daemon.log
        assert "barley" not in daemon.log


@pytest.mark.parametrize("content", ["", "\nsecond line"])
def test_an_empty_token_file_ends_it_with_a_reason(
    tmp_path: Path, configure: Configure, content: str, mosquitto: Mosquitto
) -> None:
    (tmp_path / "token").write_text(content)
    with Daemon(
        tmp_path, "--config", configure(f"mqtt: {{url: '{mosquitto.url}'}}\ncommands: {{token_file: token}}")
    ) as daemon:
        assert daemon.ends(START_S) == 69
    assert "token is empty" in daemon.log.splitlines()[-1]


def test_a_snapshot_is_published_once_before_its_answer(daemon: Daemon, subscriber: Subscriber, ask: Ask) -> None:
    answer = ask("snapshot", pipeline="door")
    assert answer["ok"], answer
    (heard,) = subscriber.on("/snapshot/door")
    assert answer["data"] == {"bytes": len(heard.payload)}
    picture = cv2.imdecode(np.frombuffer(heard.payload, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (120, 160, 3)
    more_results(subscriber, "door")
    assert len(subscriber.on("/snapshot/door")) == 1
    assert "there is no pipeline 'dor', did you mean 'door'?" in ask("snapshot", pipeline="dor")["error"]


def test_a_snapshot_of_a_paused_pipeline_is_refused(daemon: Daemon, ask: Ask) -> None:
    ask("pause", pipeline="door")
    assert "is paused by a command" in ask("snapshot", pipeline="door")["error"]


def test_a_paused_pipeline_is_read_on_counts_its_frames_and_goes_on_when_resumed(
    daemon: Daemon, subscriber: Subscriber, ask: Ask
) -> None:
    assert ask("pause", pipeline="door")["data"] == {"paused": ["door"]}
    first = health(subscriber, "door")
    more_results(subscriber, "yard", 20)
    second = health(subscriber, "door")
    assert (first["state"], second["state"]) == ("paused", "paused")
    assert second["results"] - first["results"] <= 1  # the frame that was looked at just then
    assert second["frames"] > first["frames"]
    until(lambda: subscriber.states()[-1] == "degraded", what="the status")
    assert subscriber.on("/status")[-1].said["reasons"] == {"door": "paused by a command"}
    assert health(subscriber, "yard")["state"] == "running"
    assert ask("resume", pipeline="all")["data"] == {"paused": []}
    assert any(result.get("dropped", {}).get("paused", 0) > 5 for result in more_results(subscriber, "door"))
    until(lambda: subscriber.states()[-1] == "online", what="the status")
    assert health(subscriber, "door")["state"] == "running"
    assert_nothing_is_missing(subscriber)


def test_set_changes_thresholds_and_rates_until_the_next_reload(
    daemon: Daemon, config: Path, subscriber: Subscriber, ask: Ask
) -> None:
    before = info(subscriber)["config_sha256"]
    more_results(subscriber, "door")
    assert seen(subscriber, "door") == 5
    answer = ask("set", pipeline="door", max_results=2, fps=5, snapshot_s=0.05)
    assert answer["data"] == {
        "old": {"max_results": 5, "fps": 20.0, "snapshot_s": None},
        "new": {"max_results": 2, "fps": 5.0, "snapshot_s": 0.05},
    }
    until(lambda: seen(subscriber, "door") == 2, what="the new limit")
    until(lambda: len(subscriber.on("/snapshot/door")) > 1, what="snapshots")
    until(lambda: health(subscriber, "door")["dropped"].get("rate", 0) > 10, what="frames above the rate")
    assert seen(subscriber, "yard") == 5
    until(lambda: info(subscriber)["config_sha256"] != before, what="another digest")
    assert ask("set", pipeline="door", max_results=1)["data"] == {"old": {"max_results": 2}, "new": {"max_results": 1}}
    assert ask("reload")["data"]["restarted"] == ["door"]
    until(lambda: seen(subscriber, "door") == 5, what="the old limit")
    until(lambda: info(subscriber)["config_sha256"] == before, what="the old digest")
    assert_nothing_is_missing(subscriber)


WRONG: list[tuple[dict[str, object], str]] = [
    ({"min_scor": 0.5}, "did you mean 'min_score'?"),
    ({"password": "x"}, "there are min_score, "),
    ({"min_score": 1.5}, "<= 1.0"),
    ({"fps": 0}, "> 0.0"),
    ({"fps": 30}, "was opened for 20 frames a second"),
    ({"allow": ["no such class"]}, "the model has no class 'no such class'"),
    ({"fps": 5, "allow": ["no such class"]}, "the model has no class 'no such class'"),
    ({}, "needs at least one of"),
]


def test_a_wrong_set_is_refused_and_changes_nothing(daemon: Daemon, subscriber: Subscriber, ask: Ask) -> None:
    for arguments, said in WRONG:
        answer = ask("set", pipeline="door", **arguments)
        assert not answer["ok"]
        assert said in answer["error"]
    assert "there is no pipeline 'dor', did you mean 'door'?" in ask("set", pipeline="dor", fps=1)["error"]
    assert "missing required field `pipeline`" in ask("set", fps=1)["error"]
    more_results(subscriber, "door")
    assert seen(subscriber, "door") == 5
    assert "rate" not in health(subscriber, "door")["dropped"]
    assert info(subscriber)["config_sha256"] == subscriber.on("/info")[0].said["config_sha256"]


def test_restart_is_answered_and_ends_with_75(daemon: Daemon, subscriber: Subscriber, ask: Ask) -> None:
    assert ask("restart") == {"id": None, "ok": True, "data": {"epoch": 1}}
    assert daemon.ends(10.0) == 75
    until(lambda: subscriber.states()[-1:] == ["offline"], what="the goodbye")
    assert subscriber.on("/status")[-1].said["last_seq"] == len(subscriber.seqs())
    assert_nothing_is_missing(subscriber)
