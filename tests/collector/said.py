"""What devices say, for tests of the collector; and a database in memory that may hang, be away, or refuse."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from edge_infer.collector.arrivals import (
    Arrival,
    Conflict,
    DatabaseError,
    DeadLetter,
    GapReport,
    Presence,
    Row,
    Rows,
    Stored,
)
from edge_infer.wire.payloads import Envelope, Gap, Gaps, StatusMessage
from edge_infer.wire.result_payloads import WireDetection, WireResult

ROOT = "edge/v1"


def result(number: int, **said: Any) -> WireResult:
    fields = {
        "time": 1_700_000_000.0 + number,
        "mono_ns": 1_000_000 * number,
        "frame": number,
        "width": 640,
        "height": 480,
        "task": "detect",
        "status": "ok",
        "model": "faces@1",
        "device": "cpu",
        "timings_ms": {"infer": 1.5},
        "detections": (WireDetection(label="face", class_id=0, score=0.75, box=(1.0, 2.0, 3.5, number + 4.0)),),
    }
    return WireResult(**fields | said)


def envelope(
    first_seq: int = 1, count: int = 3, *, device: str = "porch", epoch: int = 1, boot: str = "b1", **said: Any
) -> bytes:
    """An envelope as a device makes it; the frame of each result is its sequence number."""
    results = said.pop("results", [result(first_seq + i) for i in range(count)])
    fields = {"device": device, "epoch": epoch, "boot": boot, "first_seq": first_seq, "clock": "synced"}
    return msgspec.json.encode(Envelope(**fields | said, results=results))


def gaps(*found: Gap, device: str = "porch", boot: str = "b1") -> bytes:
    return msgspec.json.encode(Gaps(device=device, boot=boot, gaps=found))


def status(state: str = "online", *, device: str = "porch", epoch: int = 1, boot: str = "b1", **said: Any) -> bytes:
    fields = {"device": device, "state": state, "time": 1_700_000_000.0, "epoch": epoch, "boot": boot}
    return msgspec.json.encode(StatusMessage(**fields | said))


class MemoryDatabase:
    """Keeps what it is given, by the rules of a real one."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int, int], Row] = {}
        self.boots: dict[tuple[str, int], str] = {}
        self.gaps: dict[tuple[str, int, int], Gap] = {}
        self.presence: dict[str, Presence] = {}
        self.dead: list[DeadLetter] = []
        self.begun = 0  # calls of `store`
        self.batches: list[int] = []  # arrivals of each transaction
        self.expired: list[float] = []
        self.closed = False
        self.hangs = threading.Event()
        self.away: str | None = None
        self.refuses: Callable[[Arrival], bool] = lambda _: False
        self._goes_on = threading.Event()

    def go_on(self) -> None:
        """End a hang."""
        self.hangs.clear()
        self._goes_on.set()

    def seqs(self, device: str = "porch") -> list[int]:
        return sorted(seq for of, _, seq in list(self.rows) if of == device)

    def store(self, arrivals: Sequence[Arrival], received_at: float) -> Stored:
        self.begun += 1
        if self.hangs.is_set():
            assert self._goes_on.wait(60.0)
        if self.away:
            raise DatabaseError(self.away)
        for arrival in arrivals:
            if self.refuses(arrival):
                raise ValueError("the database does not like it")
        stored = Stored()
        for arrival in arrivals:
            self._store(arrival, stored)
        self.batches.append(len(arrivals))
        return stored

    def _store(self, arrival: Arrival, stored: Stored) -> None:
        match arrival:
            case Rows(device=device, epoch=epoch, boot=boot):
                first_boot = self.boots.setdefault((device, epoch), boot)
                if boot != first_boot:
                    stored.conflicts.append(Conflict(device, epoch, boot, first_boot))
                    return
                for seq, row in enumerate(arrival.rows, arrival.first_seq):
                    new = self.rows.setdefault((device, epoch, seq), row) is row
                    stored.rows += new
                    stored.duplicates += not new
            case GapReport():
                self.gaps |= {(arrival.device, gap.epoch, gap.first): gap for gap in arrival.gaps}
            case Presence():
                self.presence[arrival.device] = arrival
            case DeadLetter():
                self.dead.append(arrival)
                stored.dead_letters += 1

    def expire(self, before: float) -> int:
        self.expired.append(before)
        return 0

    def close(self) -> None:
        self.closed = True
