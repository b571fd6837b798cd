"""No bytes make decode raise, and what it lets through can be stored."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutation import edits, mutated
from said import ROOT, envelope, gaps, status

from edge_infer.collector.arrivals import Arrival, DeadLetter, GapReport, Presence, Row, Rows
from edge_infer.collector.decode import KEPT_BYTES, MAX_NS, MAX_TIME, decode
from edge_infer.wire.deflate import deflate
from edge_infer.wire.payloads import MAX_INT, Gap

HEALTH = b'{"device":"porch","time":7.5,"epoch":2,"boot":"b2","outbox":{"last_seq":9,"oldest":[1,4],"waiting":5}}'
MESSAGES = [
    ("results/door", envelope()),
    ("results/door", deflate(envelope(count=20))),
    ("events/door", envelope(results=[{"time": 1.5, "label": "Tür ☃ \x7f", "x": [[], {}]}])),
    ("gaps", gaps(Gap(epoch=1, first=3, last=9, reason="full"), Gap(epoch=1, first=12, last=None, reason="power"))),
    ("status", status("offline", last_seq=12, oldest=(1, 8))),
    ("health", HEALTH),
]


def can_be_stored(arrival: Arrival | None) -> None:
    """Every value fits the column of a strict database."""
    match arrival:
        case Rows():
            assert 0 <= arrival.epoch <= MAX_INT
            assert 1 <= arrival.first_seq <= arrival.first_seq + len(arrival.rows) - 1 <= MAX_INT
            assert arrival.boot.isprintable()
            for row in arrival.rows:
                row_can_be_stored(row)
        case GapReport():
            for gap in arrival.gaps:
                assert 1 <= gap.first <= (gap.last or MAX_INT) <= MAX_INT
                assert "\0" not in gap.reason.encode().decode()
        case Presence():
            assert 0 <= arrival.time <= MAX_TIME
            assert all(0 <= number <= MAX_INT for number in (arrival.last_seq or 0, *(arrival.oldest or ())))
        case DeadLetter():
            assert "\0" not in arrival.reason.encode().decode() + arrival.topic
            assert len(arrival.payload) <= KEPT_BYTES


def row_can_be_stored(row: Row) -> None:
    assert 0 <= row.time <= MAX_TIME
    assert 0 <= (row.mono_ns or 0) <= MAX_NS
    text = row.payload.decode()
    assert "\0" not in text
    assert isinstance(json.loads(text, parse_constant=pytest.fail, parse_int=len), dict)


@given(st.sampled_from(MESSAGES), edits)
def test_a_damaged_message_of_a_device(message: tuple[str, bytes], changes: list[tuple[int, int, bytes]]) -> None:
    what, payload = message
    can_be_stored(decode(ROOT, f"{ROOT}/porch/{what}", mutated(payload, changes)))


@given(st.one_of(st.binary(), st.binary().map(deflate), st.binary().map(lambda rest: b"\x78\x01" + rest)))
def test_any_bytes(payload: bytes) -> None:
    for what in ("results/door", "events/door", "gaps", "status", "health"):
        can_be_stored(decode(ROOT, f"{ROOT}/porch/{what}", payload))


@given(st.text(), st.text())
def test_any_topic(below: str, other: str) -> None:
    for topic in (f"{ROOT}/{below}", f"{ROOT}/porch/{below}", f"{ROOT}/porch/results/{below}", other):
        can_be_stored(decode(ROOT, topic, envelope()))


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=100_000)
@given(st.sampled_from(MESSAGES), edits)
def test_a_hundred_thousand_damaged_messages(message: tuple[str, bytes], changes: list[tuple[int, int, bytes]]) -> None:
    what, payload = message
    can_be_stored(decode(ROOT, f"{ROOT}/porch/{what}", mutated(payload, changes)))
