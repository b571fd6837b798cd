"""What a message of a device becomes."""

import json
from typing import Any

import msgspec
import pytest
from said import ROOT, envelope, gaps, result, status

from edge_infer.collector.arrivals import DeadLetter, GapReport, Presence, Row, Rows
from edge_infer.collector.decode import KEPT_BYTES, MAX_BOOT, MAX_ROWS, decode
from edge_infer.wire.deflate import MAX_BYTES, deflate
from edge_infer.wire.payloads import MAX_INT, Gap
from edge_infer.wire.topics import Kind, Topics

DOOR = Topics("porch").envelopes(Kind.RESULT, "door")
GOOD = json.loads(envelope())


def changed(**said: Any) -> bytes:
    """A good envelope with other fields; `...` leaves one out."""
    return json.dumps({key: value for key, value in (GOOD | said).items() if value is not ...}).encode()


def with_result(text: str) -> bytes:
    """An envelope whose second result is this text."""
    good = json.dumps(GOOD["results"][0])
    return changed(results=["1st", "2nd"]).replace(b'"1st"', good.encode()).replace(b'"2nd"', text.encode("latin-1"))


@pytest.mark.parametrize(
    ("topic", "kind", "pipeline"),
    [
        (DOOR, Kind.RESULT, "door"),
        (Topics("porch").envelopes(Kind.EVENT, "door"), Kind.EVENT, "door"),
        (Topics("porch").envelopes(Kind.HEALTH, "_health"), Kind.HEALTH, "_health"),
    ],
)
def test_an_envelope_becomes_rows_whose_bytes_are_the_devices(topic: str, kind: Kind, pipeline: str) -> None:
    first, second = (msgspec.json.encode(result(number)) for number in (7, 8))
    payload = envelope(7, results=[msgspec.Raw(first), msgspec.Raw(b" " + second.replace(b",", b" ,\n"))], epoch=3)
    rows = (
        Row(1_700_000_007.0, 7_000_000, first),
        Row(1_700_000_008.0, 8_000_000, second.replace(b",", b" ,\n")),
    )
    said = decode(ROOT, topic, payload)
    assert isinstance(said, Rows)
    assert tuple(said.rows) == rows
    assert (said.kind, said.device, said.epoch, said.boot, said.first_seq, said.pipeline, said.clock) == (
        kind, "porch", 3, "b1", 7, pipeline, "synced",
    )  # fmt: skip


def test_a_deflated_envelope_is_the_same() -> None:
    assert decode(ROOT, DOOR, deflate(envelope())) == decode(ROOT, DOOR, envelope())


def test_unknown_keys_are_left_out_and_rows_need_no_more_than_their_time() -> None:
    said = decode(ROOT, DOOR, changed(later={"x": [1]}, schema=..., results=[{"time": 5, "kind": "start"}]))
    assert isinstance(said, Rows)
    assert list(said.rows) == [Row(5.0, None, b'{"time": 5, "kind": "start"}')]


def test_the_root_may_have_any_levels() -> None:
    assert isinstance(decode("a", "a/porch/results/door", envelope()), Rows)
    assert isinstance(decode("a/b/c/d", "a/b/c/d/porch/results/door", envelope()), Rows)
    assert isinstance(decode("a/b", "a/porch/results/door", envelope()), DeadLetter)


def test_a_report_of_gaps() -> None:
    found = (Gap(epoch=1, first=3, last=9, reason="outbox full"), Gap(epoch=1, first=12, last=None, reason="power"))
    assert decode(ROOT, Topics("porch").gaps, gaps(*found)) == GapReport("porch", "b1", found)


@pytest.mark.parametrize(
    ("said", "presence"),
    [
        (status(), Presence("porch", "online", 1_700_000_000.0, 1, "b1")),
        (
            status("offline", last_seq=12, oldest=(1, 8)),
            Presence("porch", "offline", 1_700_000_000.0, 1, "b1", 12, (1, 8), settled=True),
        ),
        (status("offline", last_seq=0), Presence("porch", "offline", 1_700_000_000.0, 1, "b1", 0, None, settled=True)),
        (status("degraded", reasons={"door": "gone"}), Presence("porch", "degraded", 1_700_000_000.0, 1, "b1")),
    ],
)
def test_a_status_tells_how_far_the_device_is_settled(said: bytes, presence: Presence) -> None:
    assert decode(ROOT, Topics("porch").status, said) == presence


@pytest.mark.parametrize(
    ("outbox", "oldest", "settled"),
    [
        ({"last_seq": 9, "oldest": [1, 4], "waiting": 5}, (1, 4), True),
        ({"last_seq": 9, "oldest": None}, None, True),
        ({"last_seq": 9}, None, False),  # of an older version, which does not tell
    ],
)
def test_a_health_report_tells_it_too(outbox: dict[str, Any], oldest: tuple[int, int] | None, settled: bool) -> None:
    health = {"device": "porch", "time": 7.5, "epoch": 2, "boot": "b2", "rss_bytes": 1, "outbox": outbox}
    said = decode(ROOT, Topics("porch").health, json.dumps(health).encode())
    assert said == Presence("porch", None, 7.5, 2, "b2", 9, oldest, settled)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [(Topics("porch").status, b""), ("edge/v1/_collector/night/status", b"{}"), ("edge/v1/_collector/x", b"{}")],
)
def test_a_deleted_status_and_the_word_of_a_collector_are_nothing(topic: str, payload: bytes) -> None:
    assert decode(ROOT, topic, payload) is None


BAD = {
    "garbage": (DOOR, b"garbage", "it is not as agreed: JSON is malformed"),
    "nothing": (DOOR, b"", "it is not as agreed: Input data was truncated"),
    "truncated": (DOOR, envelope()[:-20], "Input data was truncated"),
    "deflated and cut": (DOOR, deflate(envelope())[:-9], "the compressed message is cut off"),
    "deflated and damaged": (DOOR, b"\x78\x01garbage", "the message cannot be decompressed"),
    "a deflated bomb": (DOOR, deflate(b" " * (MAX_BYTES + 1)), f"the message grows beyond {MAX_BYTES} bytes"),
    "huge": (DOOR, b" " * (MAX_BYTES + 1), f"the message has {MAX_BYTES + 1} bytes, the limit is {MAX_BYTES}"),
    "not UTF-8 where it is read": (DOOR, envelope().replace(b"b1", b"\xff1"), "it is not UTF-8: invalid start byte"),
    "not UTF-8 where it is skipped": (DOOR, envelope().replace(b"face", b"fa\xe9ce"), "it is not UTF-8"),
    "NaN": (DOOR, with_result('{"time": 1, "score": NaN}'), "JSON is malformed: invalid character"),
    "Infinity": (DOOR, with_result('{"time": 1, "score": -Infinity}'), "JSON is malformed"),
    "a bare NUL": (DOOR, with_result('{"time": 1, "label": "a\0"}'), "JSON is malformed"),
    "half a surrogate": (DOOR, with_result(r'{"time": 1, "label": "\ud800"}'), "it is not as agreed"),
    "nested deeply": (DOOR, with_result('{"time": 1, "x": ' + "[" * 100_000), "it is nested too deeply"),
    "nested deeply and closed": (DOOR, with_result('{"time": 1, "x": ' + "[" * 9999 + "]" * 9999 + "}"), "too deeply"),
    "a list": (DOOR, b"[]", "Expected `object`, got `array`"),
    "a later schema": (DOOR, changed(schema="edge-infer/results@2"), "Invalid enum value 'edge-infer/results@2'"),
    "no device": (DOOR, changed(device=...), "missing required field `device`"),
    "another device": (DOOR, changed(device="attic"), "it says that it comes from 'attic', its topic says 'porch'"),
    "no results": (DOOR, changed(results=[]), "Expected `array` of length >= 1 - at `$.results`"),
    "too many results": (DOOR, changed(results=[{"time": 1}] * (MAX_ROWS + 1)), f"more than {MAX_ROWS}"),
    "seq 0": (DOOR, changed(first_seq=0), "Expected `int` >= 1 - at `$.first_seq`"),
    "seq of text": (DOOR, changed(first_seq="1"), "Expected `int`, got `str` - at `$.first_seq`"),
    "seq too large": (DOOR, changed(first_seq=MAX_INT + 1), "at `$.first_seq`"),
    "seq of many digits": (DOOR, changed().replace(b'"first_seq": 1', b'"first_seq": 1' + b"0" * 5000), "first_seq"),
    "seq that grows too large": (DOOR, changed(first_seq=MAX_INT - 1), "its sequence numbers grow beyond"),
    "an epoch below 0": (DOOR, changed(epoch=-1), "Expected `int` >= 0 - at `$.epoch`"),
    "an unknown clock": (DOOR, changed(clock="perhaps"), "Invalid enum value 'perhaps' - at `$.clock`"),
    "a boot with a NUL": (DOOR, changed(boot="a\0b"), r"its boot 'a\x00b' is not 1 to 64 printable characters"),
    "a long boot": (DOOR, changed(boot="b" * (MAX_BOOT + 1)), "is not 1 to 64 printable characters"),
    "no boot": (DOOR, changed(boot=""), "its boot '' is not 1 to 64 printable characters"),
    "a result without time": (DOOR, with_result("{}"), "its result 1 is not as agreed: Object missing required field"),
    "a result with a text as time": (DOOR, with_result('{"time": "now"}'), "Expected `float`, got `str` - at `$.time`"),
    "a result before 1970": (DOOR, with_result('{"time": -1}'), "Expected `float` >= 0"),
    "a result after 9999": (DOOR, with_result('{"time": 1e12}'), "Expected `float` <= 253402300799"),
    "a result of an endless time": (DOOR, with_result('{"time": 1e999}'), "Number out of range - at `$.time`"),
    "a result that is none": (DOOR, with_result("7"), "its result 1 is not as agreed: Expected `object`, got `int`"),
    "a clock of too many bits": (DOOR, with_result('{"time": 1, "mono_ns": 9223372036854775808}'), "at `$.mono_ns`"),
    "no pipeline": ("edge/v1/porch/results", envelope(), "its topic is none that a collector reads"),
    "a pipeline of two levels": ("edge/v1/porch/results/a/b", envelope(), "its topic is none that a collector reads"),
    "a pipeline that is none": ("edge/v1/porch/results/_x", envelope(), "its topic names no pipeline"),
    "a pipeline that ends its line": ("edge/v1/porch/results/x\n", envelope(), "its topic names no pipeline"),
    "events of health": ("edge/v1/porch/events/_health", envelope(), "its topic names no pipeline"),
    "another root": ("edge/v2/porch/results/door", envelope(), "its topic names no device"),
    "a device that is none": ("edge/v1/#/results/door", envelope(), "its topic names no device"),
    "no device in the topic": ("edge/v1/", envelope(), "its topic names no device"),
    "a gap that ends early": (
        Topics("porch").gaps, gaps(Gap(epoch=1, first=9, last=8, reason="x")), "its gap 9..8 ends before it begins",
    ),
    "a gap with a NUL": (Topics("porch").gaps, gaps(Gap(epoch=1, first=1, last=1, reason="\0")), "holds a NUL"),
    "a gap without last": (
        Topics("porch").gaps, b'{"device":"porch","boot":"b","gaps":[{"epoch":1,"first":1,"reason":"x"}]}', "`last`",
    ),
    "a status of another device": (Topics("porch").status, status(device="attic"), "it comes from 'attic'"),
    "an unknown state": (Topics("porch").status, status("dreaming"), "Invalid enum value 'dreaming' - at `$.state`"),
    "a health report without outbox": (
        Topics("porch").health, b'{"device":"porch","time":1,"epoch":1,"boot":"b"}', "missing required field `outbox`",
    ),
    "an empty health report": (Topics("porch").health, b"", "Input data was truncated"),
}  # fmt: skip


@pytest.mark.parametrize(("topic", "payload", "reason"), BAD.values(), ids=BAD)
def test_what_cannot_be_read_is_kept_with_the_reason(topic: str, payload: bytes, reason: str) -> None:
    letter = decode(ROOT, topic, payload)
    assert isinstance(letter, DeadLetter)
    assert reason in letter.reason
    assert letter.topic == topic
    assert letter.payload == payload[:KEPT_BYTES]
    assert letter.device == ("porch" if topic.startswith("edge/v1/porch/") else None)
    assert "\0" not in letter.reason


def test_a_huge_message_is_kept_in_part_and_that_is_said() -> None:
    letter = decode(ROOT, DOOR, b"x" * (KEPT_BYTES + 1))
    assert isinstance(letter, DeadLetter)
    assert letter.reason.endswith(f"(only the first {KEPT_BYTES} of its {KEPT_BYTES + 1} bytes are kept)")


def test_a_nul_that_is_spelled_out_in_a_result_stays_spelled_out() -> None:
    said = decode(ROOT, DOOR, with_result(r'{"time": 1, "label": "a\u0000b"}'))
    assert isinstance(said, Rows)
    assert said.rows[1].payload == rb'{"time": 1, "label": "a\u0000b"}'
