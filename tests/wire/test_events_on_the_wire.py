from dataclasses import replace

import msgspec
import numpy as np
import pytest

from edge_infer.types import Classes, Embedding, Event
from edge_infer.wire.events import WireEvent, event_to_wire
from edge_infer.wire.payloads import Envelope
from edge_infer.wire.result_payloads import WireResult

ENTERED = Event(
    id="1700000000.250-1",
    phase="start",
    kind="zone",
    label="person",
    captured_at=1_700_000_001.5,
    captured_ns=41,
    started_at=1_700_000_000.25,
    duration_s=1.23456,
    where="yard",
    class_id=0,
    frame=7,
    score=0.87654,
    top_score=0.9,
    track_id=3,
    box=(1.234, 2.0, 30.0, 40.0),
    counts={"person": 2},
)


def test_an_event_travels_with_what_is_known_of_it() -> None:
    assert msgspec.to_builtins(event_to_wire(ENTERED)) == {
        "id": "1700000000.250-1",
        "phase": "start",
        "kind": "zone",
        "label": "person",
        "time": 1_700_000_001.5,
        "mono_ns": 41,
        "started": 1_700_000_000.25,
        "duration_s": 1.235,
        "where": "yard",
        "class_id": 0,
        "frame": 7,
        "score": 0.8765,
        "top_score": 0.9,
        "track": 3,
        "box": (1.23, 2.0, 30.0, 40.0),
        "counts": {"person": 2},
    }


def test_what_is_not_known_is_left_out() -> None:
    lost = Event("a", "end", "anomaly", "anomaly", 2.0, 3, 1.0, reason="lost")
    assert set(msgspec.to_builtins(event_to_wire(lost))) == {
        "id", "phase", "kind", "label", "time", "mono_ns", "started", "duration_s", "reason",
    }  # fmt: skip


def test_what_a_second_model_says_travels_as_in_a_result_and_old_messages_are_read() -> None:
    who = Classes(np.array([4]), np.array([0.87654], np.float32), ("anna",))
    wire = event_to_wire(replace(ENTERED, detail=Embedding(np.array([0.6, 0.8], np.float32), who)))
    assert msgspec.to_builtins(wire)["detail"] == {
        "classes": ({"label": "anna", "class_id": 4, "score": 0.8765},),
        "embedding": (0.6, 0.8),
    }
    assert msgspec.json.decode(msgspec.json.encode(wire), type=WireEvent) == wire
    old = msgspec.json.decode(msgspec.json.encode(event_to_wire(ENTERED)), type=WireEvent)
    assert old.detail is None


def test_a_score_above_one_is_one_of_an_anomaly() -> None:
    high = Event("a", "start", "anomaly", "anomaly", 2.0, 3, 1.0, score=17.5, top_score=17.5)
    assert event_to_wire(high).score == pytest.approx(17.5)


def test_an_envelope_of_events_is_read_as_one_of_results_is() -> None:
    said = Envelope(device="porch", epoch=1, boot="b", first_seq=1, clock="synced", results=[event_to_wire(ENTERED)])
    read = msgspec.json.decode(msgspec.json.encode(said), type=Envelope[msgspec.Raw])
    assert msgspec.json.decode(read.results[0])["where"] == "yard"
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(read.results[0], type=WireResult)
