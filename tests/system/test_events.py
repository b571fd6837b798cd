"""What happens, from the daemon to whoever listens: with a broker, a collector, kills and restarts."""

import json
import signal
import sqlite3
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from broker import Mosquitto, Subscriber
from collected import Collect, audit
from command import EDGE_INFER, REPOSITORY, START_S, Daemon, environment, run
from waiting import until

from edge_infer.deliver.event_journal import EventJournal

FACE = REPOSITORY / "models/face-detection"
PICTURE = REPOSITORY / "docs/demo.jpg"
CONFIG = """version: 1
device: {{id: porch, state_dir: state}}
health: {{interval_s: 0.5}}
mqtt: {{url: '{url}'}}
commands: {{allow: [pause, resume]}}
pipelines:
  door:
    source: {{kind: still, uri: {picture}, fps: 20, size: [320, 240], focus: [180, 78, 270, 178]{more}}}
    model: {{path: {face}, device: cpu}}
    events: {{hold_s: 1.0, update_s: 0.2, snapshot: true, keep: {{folder: kept}}}}
    zones: {{yard: {{polygon: [[0, 0], [1, 0], [1, 1], [0, 1]], anchor: centre, labels: [face]}}}}
    publish: {publish}
"""


@pytest.fixture
def config(tmp_path: Path, mosquitto: Mosquitto) -> Path:
    return written(tmp_path, mosquitto)


def written(folder: Path, broker: Mosquitto, more: str = "", publish: str = "[results, events]") -> Path:
    if not FACE.exists():
        pytest.skip("no model: run scripts/build-models")
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(url=broker.url, picture=PICTURE, face=FACE, more=more, publish=publish))
    return path


def events(subscriber: Subscriber) -> list[dict[str, Any]]:
    """Each once, in the order in which they were made: what is not acknowledged comes again."""
    envelopes = [heard.said for heard in subscriber.on("/events/door")]
    numbered = {(e["epoch"], e["first_seq"] + i): event for e in envelopes for i, event in enumerate(e["results"])}
    return [numbered[key] for key in sorted(numbered)]


def phases(subscriber: Subscriber, kind: str = "object") -> list[str]:
    """Starts and ends of the face, with their reason."""
    told = [event for event in events(subscriber) if event["kind"] == kind and event["phase"] != "update"]
    return [" ".join(filter(None, (event["phase"], event.get("reason")))) for event in told]


def connected(daemon: Daemon) -> float:
    """When it first was, by the wall clock."""
    line = next(line for line in daemon.log.splitlines() if "connected to the broker" in line)
    return datetime.fromisoformat(line[:23]).timestamp()


def test_an_object_in_a_zone_is_told_with_pictures_and_ends_with_the_daemon(
    tmp_path: Path, config: Path, subscriber: Subscriber
) -> None:
    with Daemon(tmp_path, "--config", config) as daemon:
        until(lambda: "start" in phases(subscriber, "zone"), START_S, "the zone's event")
        until(lambda: any("yard" in h.said["places"] for h in subscriber.on("/latest/door")), what="counts in `latest`")
        status = json.loads(run("status", "--state-dir", tmp_path / "state", "--json").stdout)
        assert status["health"]["pipelines"]["door"]["events"] >= 2
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(10.0) == 0
    until(lambda: "end stopped" in phases(subscriber), what="the ends")
    assert phases(subscriber)[-1] == phases(subscriber, "zone")[-1] == "end stopped"
    start = events(subscriber)[0]
    assert (start["kind"], start["label"], start["track"], start["snapshot"]) == ("object", "face", 1, True)
    zone = next(event for event in events(subscriber) if event["kind"] == "zone")
    assert (zone["where"], zone["counts"], zone["track"]) == ("yard", {"face": 1}, 1)
    # A picture is not kept where the broker is away, or slow at the start.
    wanted = 2 if connected(daemon) < start["time"] else 1
    until(lambda: len(subscriber.on(f"/snapshot/door/{start['id']}")) >= wanted, what="the pictures")
    pictures = subscriber.on(f"/snapshot/door/{start['id']}")
    assert len(pictures) <= 2
    assert cv2.imdecode(np.frombuffer(pictures[0].payload, np.uint8), cv2.IMREAD_COLOR).shape == (240, 320, 3)
    assert (tmp_path / "kept" / f"{start['id']}.jpg").read_bytes() == pictures[-1].payload
    assert EventJournal(tmp_path / "state/open-events-porch.json").read() == []
    assert "Traceback" not in daemon.log


def test_after_a_kill_the_next_start_ends_what_went_on_and_nothing_is_missing_or_double(
    tmp_path: Path, config: Path, subscriber: Subscriber, collect: Collect
) -> None:
    collect().says("collecting")
    for start in (1, 2, 3):
        with Daemon(tmp_path, "--config", config) as daemon:
            for kind in ("object", "zone"):
                until(lambda k=kind, n=start: phases(subscriber, k).count("start") == n, START_S, f"the {kind}")
            daemon.signal(signal.SIGTERM if start == 3 else signal.SIGKILL)
            assert daemon.ends(10.0) == (0 if start == 3 else -signal.SIGKILL)
    for kind in ("object", "zone"):
        until(lambda kind=kind: phases(subscriber, kind)[-1] == "end stopped", what=f"the end of the {kind}")
        told = [event for event in events(subscriber) if event["kind"] == kind]
        starts = [event["id"] for event in told if event["phase"] == "start"]
        reasons = {event["id"]: event["reason"] for event in told if event["phase"] == "end"}
        assert len(set(starts)) == len(starts) == 3
        assert list(map(reasons.get, starts)) == ["restarted", "restarted", "stopped"]
        assert all(event["duration_s"] >= 0 for event in told)
    with sqlite3.connect(tmp_path / "collected.db") as database:
        until(lambda: database.execute("SELECT state FROM devices").fetchall() == [("offline",)], what="the goodbye")
        stored = database.execute("SELECT count(*) FROM events").fetchone()[0]
    database.close()
    assert stored == len(events(subscriber))
    done = audit(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "nothing is missing" in done.stdout


def test_results_may_stay_on_the_device_and_watch_shows_the_events(
    tmp_path: Path, mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    path = written(tmp_path, mosquitto, more=", frames: 30", publish="[events]")
    command = [*EDGE_INFER, "watch", "--mqtt", mosquitto.url, "--until-offline", "--events", tmp_path / "events.jsonl"]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout
        assert watching.stderr
        watching.stderr.readline()
        with Daemon(tmp_path, "--config", path) as daemon:
            assert daemon.ends(START_S) == 0
        shown = watching.stdout.read()
        assert watching.wait(START_S) == 0
    assert "  door events: " in shown
    assert ", going on: 0\n" in shown
    assert "  start   face  track 1  0." in shown
    assert "  end     face in yard  track 1  " in shown
    assert "stopped after " in shown
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert {line["kind"] for line in lines} == {"object", "zone"}
    assert subscriber.on("/results/door") == []
    until(lambda: subscriber.states()[-1] == "offline", what="the goodbye")


def test_a_pause_and_a_reload_end_what_goes_on(tmp_path: Path, config: Path, subscriber: Subscriber) -> None:
    with Daemon(tmp_path, "--config", config) as daemon:
        until(lambda: "start" in phases(subscriber), START_S, "the start")
        subscriber.send("edge/v1/porch/cmd/pause", b'{"id": "1", "pipeline": "door"}')
        until(lambda: phases(subscriber) == ["start", "end lost"], what="the end")
        subscriber.send("edge/v1/porch/cmd/resume", b'{"id": "2", "pipeline": "door"}')
        until(lambda: phases(subscriber)[2:] == ["start"], what="the new start")
        changed = config.with_suffix(".new")
        changed.write_text(config.read_text().replace("hold_s: 1.0", "hold_s: 0.7"))
        changed.replace(config)
        daemon.signal(signal.SIGHUP)
        until(lambda: phases(subscriber)[3:] == ["end stopped", "start"], START_S, "what the reload brings")
        assert len({event["id"] for event in events(subscriber) if event["kind"] == "object"}) == 3
