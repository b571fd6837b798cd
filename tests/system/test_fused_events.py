"""Gates, a cascade and a fusion in a real daemon with a real broker."""

import signal
from pathlib import Path
from typing import Any

from broker import Mosquitto, Subscriber
from command import REPOSITORY, START_S, Daemon
from waiting import until

FACES = REPOSITORY / "models/face-detection"


def write(folder: Path, broker: Mosquitto, more: str = "") -> Path:
    path = folder / "config.yaml"
    path.write_text(f"""version: 1
device: {{id: porch, state_dir: state}}
health: {{interval_s: 0.5}}
mqtt: {{url: '{broker.url}'}}
pipelines:
  yard:
    source: {{kind: still, uri: {FACES}/sample.jpg, fps: 20, size: [320, 240], focus: [180, 78, 270, 178]}}
    model: {{path: {FACES}}}
    events: {{track: false, hold_s: 5}}
    gates: {{stride: {{every: 2, most: 4, max_load: 0.001}}}}
    cascade: {{model: {{path: {FACES}}}, margin: 0.5}}
  door:
    source: {{kind: still, uri: {FACES}/sample.jpg, fps: 20, size: [320, 240], focus: [180, 78, 270, 178]{more}}}
    model: {{path: {FACES}}}
    events: {{track: false, hold_s: 5}}
fusions:
  both: {{all_of: [yard/face, door/face], within_s: 1}}
""")
    return path


def events(subscriber: Subscriber, pipeline: str) -> list[dict[str, Any]]:
    """Each once, in the order in which they were made: what is not acknowledged comes again."""
    envelopes = [heard.said for heard in subscriber.on(f"/events/{pipeline}")]
    numbered = {(e["epoch"], e["first_seq"] + i): event for e in envelopes for i, event in enumerate(e["results"])}
    return [numbered[key] for key in sorted(numbered)]


def test_two_cameras_make_one_event(tmp_path: Path, mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    config = write(tmp_path, mosquitto, ", frames: 20")
    with Daemon(tmp_path, "--config", config) as daemon:
        until(lambda: len(events(subscriber, "both")) >= 2, START_S, "a start and an end")
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(10.0) == 0
    start, end = events(subscriber, "both")[:2]
    parts = {events(subscriber, name)[0]["id"] for name in ("yard", "door")}
    assert (start["phase"], start["kind"], start["label"], set(start["events"])) == ("start", "fusion", "both", parts)
    # No more frames come to the door.
    assert (end["phase"], end["reason"], end["id"]) == ("end", "stopped", start["id"])
    health = subscriber.on("/health")[-1].said["pipelines"]
    dropped = health["yard"]["dropped"]
    assert dropped["stride"] > 0
    assert dropped["busy"] > 0
    left_out = sum(dropped.values()) - dropped.get("late", 0)  # which never were frames
    assert health["yard"]["frames"] >= health["yard"]["results"] + left_out
    assert "cascade" in {
        stage for heard in subscriber.on("/health") for stage in heard.said["pipelines"]["yard"]["stages_ms"]
    }
    info = subscriber.on("/info")[-1].said["pipelines"]
    assert (info["yard"]["cascade"]["task"], info["door"].get("cascade")) == ("detect", None)
    results = [one for heard in subscriber.on("/results/yard") for one in heard.said["results"]]
    assert results[0]["detections"][0]["detail"]["detections"][0]["label"] == "face"
    until(lambda: events(subscriber, "yard")[-1]["phase"] == "end", what="the end of the face in the yard")
    begun, ended = (events(subscriber, "yard")[at] for at in (0, -1))
    assert begun["detail"]["detections"][0]["label"] == ended["detail"]["detections"][0]["label"] == "face"
    assert "detail" not in events(subscriber, "door")[0]
    assert "ERROR" not in daemon.log


def test_a_fusion_that_went_on_at_a_power_cut_is_ended_by_the_next_start(
    tmp_path: Path, mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    config = write(tmp_path, mosquitto)
    with Daemon(tmp_path, "--config", config) as daemon:
        until(lambda: events(subscriber, "both"), START_S, "a start")
        daemon.signal(signal.SIGKILL)
        daemon.ends(10.0)
    with Daemon(tmp_path, "--config", config) as daemon:
        until(lambda: len(events(subscriber, "both")) >= 3, START_S, "the end of the old and the start of another")
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(10.0) == 0
    until(lambda: len(events(subscriber, "both")) == 4, what=f"four in {events(subscriber, 'both')}")
    told = events(subscriber, "both")
    assert [(event["phase"], event.get("reason", "")) for event in told] == [
        ("start", ""),
        ("end", "restarted"),
        ("start", ""),
        ("end", "stopped"),
    ]
    assert told[0]["id"] == told[1]["id"] != told[2]["id"] == told[3]["id"]
