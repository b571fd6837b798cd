"""A message of a device becomes an Arrival; what cannot be read becomes a dead letter with the reason."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from edge_infer.collector.arrivals import Arrival, DeadLetter, GapReport, Presence, Row, Rows
from edge_infer.wire.deflate import InflateError, inflate
from edge_infer.wire.payloads import MAX_INT, Envelope, Epoch, Gaps, Seq
from edge_infer.wire.topics import HEALTH_STREAM, NAME, Kind

MAX_ROWS = 20_000  # of one message: more than fits a transaction; devices send 50
MAX_TIME = 253_402_300_799  # the last second of the year 9999. Source: RFC 3339, four digits
MAX_NS = 2**63 - 1  # Source: what a 64-bit column holds
MAX_BOOT = 64  # characters; devices use 16
KEPT_BYTES = 1_000_000  # of a dead letter

Time: TypeAlias = Annotated[float, Meta(ge=0, le=MAX_TIME)]
Held: TypeAlias = tuple[Epoch, Seq]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INT)]


class _RowHead(Struct):
    """What is read of a row: all else stays as the device wrote it."""

    time: Time
    mono_ns: Annotated[int, Meta(ge=0, le=MAX_NS)] | None = None


class _Status(Struct):
    """What is read of a status."""

    device: str
    state: Literal["online", "degraded", "offline", "lost"]
    time: Time
    epoch: Epoch
    boot: str
    schema: Literal["edge-infer/status@1"] = "edge-infer/status@1"
    last_seq: Count | None = None
    oldest: Held | None = None


class _Outbox(Struct):
    last_seq: Count
    oldest: Held | UnsetType | None = UNSET


class _Health(Struct):
    """What is read of a health report."""

    device: str
    time: Time
    epoch: Epoch
    boot: str
    outbox: _Outbox
    schema: Literal["edge-infer/health@1"] = "edge-infer/health@1"


_envelope = msgspec.json.Decoder(Envelope[Raw])
_row_head = msgspec.json.Decoder(_RowHead)
_gaps = msgspec.json.Decoder(Gaps)
_status = msgspec.json.Decoder(_Status)
_health = msgspec.json.Decoder(_Health)
_is_name: Callable[[str], Any] = re.compile(NAME).fullmatch


class _UnreadableError(ValueError):
    """Why a message cannot be read, as the end of a sentence."""


def decode(root: str, topic: str, payload: bytes) -> Arrival | None:
    """What the message says, for any topic and any bytes; None where there is nothing to store.

    `root`: of all topics. Nothing to store has an empty retained message, which deletes a status, and what collectors
    say of themselves.
    """
    levels = topic[len(root) + 1 :].split("/") if topic.startswith(f"{root}/") else [""]
    if levels[0] == "_collector" or (not payload and levels[1:] == ["status"]):
        return None
    try:
        if len(levels) < 2 or not _is_name(levels[0]):
            raise _UnreadableError("its topic names no device")
        return _read(levels[0], levels[1], levels[2:], _text(payload))
    except _UnreadableError as error:
        reason = str(error)
    except msgspec.DecodeError as error:
        reason = f"it is not as agreed: {error}"
    except RecursionError:
        reason = "it is nested too deeply"
    if len(payload) > KEPT_BYTES:
        reason += f" (only the first {KEPT_BYTES} of its {len(payload)} bytes are kept)"
    return dead_letter(topic, payload, reason, levels[0] if _is_name(levels[0]) else None)


def dead_letter(topic: str, payload: bytes, reason: str, device: str | None) -> DeadLetter:
    """A message that cannot become rows; `reason` is told with NUL spelled out, which databases refuse in texts."""
    return DeadLetter(topic.replace("\0", "\\0"), payload[:KEPT_BYTES], reason.replace("\0", "\\0"), device)


def _text(payload: bytes) -> bytes:
    """The message inflated; sure to be UTF-8, which msgspec does not check where it skips."""
    try:
        text = inflate(payload)
        if not text.isascii():
            text.decode()
    except InflateError as error:
        raise _UnreadableError(str(error)) from error
    except UnicodeDecodeError as error:
        raise _UnreadableError(f"it is not UTF-8: {error.reason} at byte {error.start}") from error
    return text


def _read(device: str, what: str, rest: list[str], text: bytes) -> Arrival:
    if what in ("results", "events") and len(rest) == 1:
        return _rows(device, Kind.EVENT if what == "events" else Kind.RESULT, rest[0], text)
    if what == "gaps" and not rest:
        return _gap_report(device, text)
    if what == "status" and not rest:
        status = _status.decode(text)
        _check_sender(device, status.device, status.boot)
        return Presence(
            device,
            status.state,
            status.time,
            status.epoch,
            status.boot,
            status.last_seq,
            status.oldest,
            settled=status.last_seq is not None,
        )
    if what == "health" and not rest:
        health = _health.decode(text)
        _check_sender(device, health.device, health.boot)
        oldest, settled = health.outbox.oldest, health.outbox.oldest is not UNSET
        return Presence(
            device,
            None,
            health.time,
            health.epoch,
            health.boot,
            health.outbox.last_seq,
            oldest if oldest is not UNSET else None,
            settled,
        )
    raise _UnreadableError("its topic is none that a collector reads")


def _rows(device: str, kind: Kind, pipeline: str, text: bytes) -> Rows:
    if kind is Kind.RESULT and pipeline == HEALTH_STREAM:
        kind = Kind.HEALTH
    elif not _is_name(pipeline):
        raise _UnreadableError("its topic names no pipeline")
    envelope = _envelope.decode(text)
    _check_sender(device, envelope.device, envelope.boot)
    count = len(envelope.results)
    if count > MAX_ROWS:
        raise _UnreadableError(f"it holds {count} results, more than {MAX_ROWS}")
    if envelope.first_seq + count - 1 > MAX_INT:
        raise _UnreadableError(f"its sequence numbers grow beyond {MAX_INT}")
    read = _row_head.decode
    rows: list[Row] = []
    for raw in envelope.results:
        try:
            head = read(raw)
        except msgspec.DecodeError as error:
            raise _UnreadableError(f"its result {len(rows)} is not as agreed: {error}") from error
        rows.append(Row(head.time, head.mono_ns, bytes(raw)))
    return Rows(kind, device, envelope.epoch, envelope.boot, envelope.first_seq, pipeline, envelope.clock, rows)


def _gap_report(device: str, text: bytes) -> GapReport:
    report = _gaps.decode(text)
    _check_sender(device, report.device, report.boot)
    if len(report.gaps) > MAX_ROWS:
        raise _UnreadableError(f"it holds {len(report.gaps)} gaps, more than {MAX_ROWS}")
    for gap in report.gaps:
        if gap.last is not None and gap.last < gap.first:
            raise _UnreadableError(f"its gap {gap.first}..{gap.last} ends before it begins")
        if "\0" in gap.reason:
            raise _UnreadableError("the reason of a gap holds a NUL")
    return GapReport(device, report.boot, report.gaps)


def _check_sender(device: str, said: str, boot: str) -> None:
    if said != device:
        raise _UnreadableError(f"it says that it comes from {said[:80]!r}, its topic says {device!r}")
    if not 0 < len(boot) <= MAX_BOOT or not boot.isprintable():
        raise _UnreadableError(f"its boot {boot[:80]!r} is not 1 to {MAX_BOOT} printable characters")
