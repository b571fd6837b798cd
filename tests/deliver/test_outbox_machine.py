"""The outbox against a plain list: whatever happens, each number ends as one row or in one gap."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge_infer.deliver.accounts import DAMAGED
from edge_infer.deliver.keeper import Keeper
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.records import Batch
from edge_infer.deliver.store import StoreError
from edge_infer.wire.payloads import Gap
from edge_infer.wire.topics import Kind

LIMITS = OutboxSettings(max_bytes=6000, max_rows=60, min_free_bytes=0)
Id = tuple[int, int]


class Outboxes(RuleBasedStateMachine):
    """One device over its starts, and a collector that is never wrong."""

    longest = 0  # steps of an example

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="edge-infer-machine-"))
        self.made: dict[Id, bytes] = {}
        self.committed: set[Id] = set()  # on the disk at some time
        self.rows: dict[Id, bytes] = {}  # in the collector
        self.gaps: dict[Id, Gap] = {}  # in the collector, by (epoch, first)
        self.sent: list[Batch] = []
        self.unheard: list[Batch] = []  # stored, and the acknowledgement is still on its way
        self.steps = 0
        self.damaged: set[int] = set()  # epochs whose file was lost

    @initialize()
    def begin(self) -> None:
        self.start()

    def start(self) -> None:
        self.keeper = Keeper(self.folder, "porch", LIMITS)
        self.box = self.keeper.outbox
        assert self.box.trouble is None
        assert not any(epoch >= self.box.epoch for epoch, _ in self.made), "an epoch was used twice"
        self.sent = []

    @rule(
        kind=st.sampled_from(Kind), pipeline=st.sampled_from("ab"), size=st.integers(0, 400), count=st.integers(1, 12)
    )
    def put(self, kind: Kind, pipeline: str, size: int, count: int) -> None:
        for _ in range(count):
            payload = f"{len(self.made)}:".encode().ljust(size, b"x")
            key = (self.box.epoch, self.box.put(kind, pipeline, payload))
            assert key not in self.made, "a number was used twice"
            self.made[key] = payload

    @rule()
    def put_too_large(self) -> None:
        key = (self.box.epoch, self.box.put(Kind.RESULT, "a", b"x" * 9000))
        self.made[key] = b"x" * 9000

    @rule(live=st.booleans())
    def send(self, live: bool) -> None:
        if batch := self.box.take(live=live):
            self.sent.append(batch)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), late=st.booleans())
    def arrive(self, data: st.DataObject, late: bool) -> None:
        """A batch gets into the database; its acknowledgement comes at once, or later, or never."""
        batch = data.draw(st.sampled_from(self.sent))
        self.store(batch)
        if late:
            self.unheard.append(batch)
        else:
            self.box.acknowledge(batch.epoch, batch.first, batch.last)

    def store(self, batch: Batch) -> None:
        for record in batch.records:
            key = (batch.epoch, record.seq)
            assert self.made[key] == record.payload, "a result arrived as another"
            self.rows[key] = record.payload

    @precondition(lambda self: self.unheard)
    @rule(data=st.data())
    def hear_late(self, data: st.DataObject) -> None:
        batch = data.draw(st.sampled_from(self.unheard))
        self.box.acknowledge(batch.epoch, batch.first, batch.last)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), attempt=st.integers(0, 3))
    def give_back(self, data: st.DataObject, attempt: int) -> None:
        batch = data.draw(st.sampled_from(self.sent))
        self.box.release(batch.epoch, batch.first, batch.last, attempt=attempt)

    @rule(online=st.booleans())
    def connect(self, online: bool) -> None:
        self.box.online(online)

    @rule(answer=st.sampled_from(["stored", "lost", "unheard"]))
    def send_gaps(self, answer: str) -> None:
        gaps = self.box.take_gaps()
        if answer != "lost":
            self.store_gaps(gaps)
        for gap in gaps:
            if answer == "stored":
                self.box.acknowledge_gap(gap.epoch, gap.first)
        if answer != "stored":
            self.box.release_gaps(gaps)

    def store_gaps(self, gaps: tuple[Gap, ...]) -> None:
        for gap in gaps:
            known = self.gaps.setdefault((gap.epoch, gap.first), gap)
            if gap.reason == DAMAGED:  # the device does not know any more what it said: the wider one counts
                self.gaps[gap.epoch, gap.first] = gap
            else:
                same = (known.last, known.reason) == (gap.last, gap.reason)
                assert same or known.reason == DAMAGED, "a gap changed after it was sent"

    @rule()
    def commit(self) -> None:
        self.keeper._commit(grow=True)
        assert self.box.trouble is None
        self.committed |= {key for key in self.made if key[0] == self.box.epoch and key[1] <= self.box.committed_seq}

    @rule()
    def clean_up(self) -> None:
        self.keeper._committed_at = -1e9  # long ago
        self.keeper._commit(grow=False)

    @rule()
    def load(self) -> None:
        self.keeper._load()

    @rule()
    def disk_fails_once(self) -> None:
        really = self.keeper._store.commit

        def fails(*_: Any) -> list[tuple[int, int]]:
            self.keeper._store._disconnect()
            raise StoreError("the disk fails")

        self.keeper._store.commit = fails  # type: ignore[method-assign]
        self.keeper._turn()
        self.keeper._store.commit = really  # type: ignore[method-assign]
        self.keeper._turn()
        assert self.box.trouble is None

    @rule(damage=st.sampled_from([None, None, None, 0, 1500]))
    def crash(self, damage: int | None) -> None:
        """What was not committed is gone; sometimes the file, too."""
        self.keeper._store.close()
        if damage is not None:
            self.damaged |= {epoch for epoch, _ in self.made}
            with (self.folder / "outbox-porch.db").open("r+b") as file:
                file.seek(damage)
                file.write(b"\xa5" * 3000)
        self.start()

    @rule()
    def stop(self) -> None:
        assert self.keeper.close()
        self.committed |= {key for key in self.made if key[0] == self.box.epoch}
        self.start()

    @invariant()
    def accounts_are_right(self) -> None:
        if not hasattr(self, "box"):
            return
        self.steps += 1
        Outboxes.longest = max(Outboxes.longest, self.steps)
        c = self.box.counts
        assert c.recovered + c.put == c.waiting + c.in_flight + c.acknowledged + c.evicted
        assert self.box.held_bytes <= LIMITS.max_bytes
        assert c.waiting + c.in_flight <= LIMITS.max_rows
        shelves = self.box._accounts.shelves.values()
        assert self.box.held_bytes == sum(chunk.size for shelf in shelves for chunk in shelf.chunks)
        assert c.waiting == sum(chunk.waiting.count for shelf in shelves for chunk in shelf.chunks)
        assert c.stored == sum(chunk.held.count for shelf in shelves for chunk in shelf.chunks if chunk.row is not None)
        stored = [chunk for shelf in shelves for chunk in shelf.chunks if chunk.row is not None]
        assert self.box._accounts.loaded_bytes == sum(chunk.loaded_bytes for chunk in stored)

    def teardown(self) -> None:
        try:
            if hasattr(self, "box"):
                self.drain()
                self.check()
        finally:
            shutil.rmtree(self.folder)

    def drain(self) -> None:
        self.box.online(False)
        rounds = 0
        while self.box.oldest is not None:
            rounds += 1
            assert rounds < 1000, f"nothing moves: {self.box.counts}, {self.box.oldest}, {self.box.trouble}"
            for batch in self.sent:
                self.box.release(batch.epoch, batch.first, batch.last, attempt=1)
            self.sent = []
            self.keeper._turn()
            self.keeper._commit(grow=True)
            self.keeper._load()
            while batch_or_none := self.box.take(live=False):
                self.store(batch_or_none)
                self.box.acknowledge(batch_or_none.epoch, batch_or_none.first, batch_or_none.last)
            gaps = self.box.take_gaps()
            self.store_gaps(gaps)
            for gap in gaps:
                self.box.acknowledge_gap(gap.epoch, gap.first)
        assert self.keeper.close()

    def check(self) -> None:
        for key in self.made:
            if key in self.rows:
                continue
            epoch, seq = key
            mine = [gap for gap in self.gaps.values() if gap.epoch == epoch and gap.first <= seq]
            closed = [gap for gap in mine if gap.last is not None and seq <= gap.last]
            tails = [gap for gap in mine if gap.last is None]
            assert len(closed) == 1 or (not closed and tails), f"{key} is lost without a word"
            assert len(closed) == 1 or key not in self.committed or epoch in self.damaged, f"{key} was on the disk"


def run(examples: int, steps: int) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Outboxes,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes; run it by hand for that
        ),
    )


def test_each_number_ends_as_one_row_or_in_one_gap() -> None:
    run(examples=30, steps=60)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_each_number_ends_as_one_row_or_in_one_gap_over_2000_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("hypothesis.stateful", "hypothesis.internal.conjecture.engine"):
        monkeypatch.setattr(
            f"{module}.BUFFER_SIZE", 1 << 22
        )  # its limit of 8192 choices ends an example after 200 steps
    run(examples=50, steps=2000)
    assert Outboxes.longest > 1900
