"""The outbox on the disk: over restarts, failures and damage."""

import multiprocessing
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from waiting import until

from edge_infer.deliver import keeper as module
from edge_infer.deliver.keeper import Keeper
from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.store import Store, StoreError
from edge_infer.errors import UnavailableError
from edge_infer.wire.payloads import ClockState, Gap
from edge_infer.wire.topics import Kind

Start = Callable[..., Keeper]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """What starts a keeper; it ends with the test."""
    with ExitStack() as stack:

        def start(*, clock: Callable[[], ClockState] = lambda: "synced", **limits: object) -> Keeper:
            settings = OutboxSettings(**{"commit_s": 0.05, "min_free_bytes": 0} | limits)  # type: ignore[arg-type]
            keeper = Keeper(tmp_path, "porch", settings, clock)
            keeper.start()
            stack.callback(keeper.close)
            return keeper

        yield start


def put(keeper: Keeper, count: int = 1, kind: Kind = Kind.RESULT, size: int = 50) -> None:
    for _ in range(count):
        keeper.outbox.put(kind, "door", os.urandom(size))


def stored(keeper: Keeper, count: int) -> None:
    until(lambda: keeper.outbox.counts.stored == count, what=f"{count} records on the disk")


def crash(keeper: Keeper) -> None:
    """End as SIGKILL would, but for the lock, which the kernel frees."""
    keeper._stopping.set()
    keeper._finish = lambda: None  # type: ignore[method-assign]
    keeper.close()
    keeper._store.close()


def test_what_waits_survives_a_clean_end_with_its_epoch_and_boot(start: Start) -> None:
    first = start()
    put(first, 120)
    assert first.close()
    second = start()
    outbox = second.outbox
    assert (outbox.epoch, outbox.counts.recovered, outbox.counts.stored) == (2, 120, 120)
    assert outbox.take_gaps() == ()
    until(lambda: bool(outbox._wanted() == []), what="the first records in RAM")
    batch = outbox.take(live=False)
    assert batch
    assert (batch.epoch, batch.boot, batch.first) == (1, first.outbox.boot, 1)


def test_an_unclean_end_leaves_an_open_tail(start: Start) -> None:
    first = start()
    put(first, 10)
    stored(first, 10)
    crash(first)
    second = start()
    assert second.outbox.take_gaps() == (Gap(epoch=1, first=11, last=None, reason="power"),)
    assert second.outbox.counts.recovered == 10
    second.outbox.acknowledge_gap(1, 11)
    assert second.close()
    assert start().outbox.take_gaps() == ()


def test_the_tail_of_a_start_that_never_committed_is_all_of_it(start: Start) -> None:
    first = start(commit_s=60.0)
    put(first, 3)
    crash(first)
    assert start().outbox.take_gaps() == (Gap(epoch=1, first=1, last=None, reason="power"),)


def test_what_is_acknowledged_in_time_never_touches_the_disk(start: Start) -> None:
    keeper = start(commit_s=0.3)
    for number in range(1, 50):
        put(keeper)
        keeper.outbox.acknowledge(1, number, number)
    put(keeper)
    stored(keeper, 1)
    assert keeper.commits == 1
    assert keeper.written_bytes is None or keeper.written_bytes > 0


def test_the_open_tail_begins_not_long_before_the_end_though_nothing_had_to_be_written(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLE_S", 0.0)
    keeper = start(commit_s=1.0)
    put(keeper, 7)
    keeper.outbox.acknowledge(1, 1, 7)
    put(keeper, 2)
    until(lambda: keeper.outbox.committed_seq >= 7, what="the settled number on the disk")
    crash(keeper)
    (gap,) = start().outbox.take_gaps()
    assert (gap.first >= 8, gap.last, gap.reason) == (True, None, "power")


def test_an_event_is_written_at_once(start: Start) -> None:
    keeper = start(commit_s=60.0)
    put(keeper, kind=Kind.EVENT)
    stored(keeper, 1)


def test_strict_waits_for_the_disk(start: Start) -> None:
    keeper = start(durability="strict", commit_s=60.0)
    for number in range(1, 200):
        put(keeper)
        keeper.outbox.wait_committed(number, 10.0)
        assert keeper.outbox.committed_seq >= number
    chunks = [chunk for shelf in keeper.outbox._accounts.shelves.values() for chunk in shelf.chunks]
    assert len(chunks) < 60, "tiny chunks are folded"
    crash(keeper)
    again = start()
    assert again.outbox.counts.recovered == 199
    assert again.outbox.take_gaps() == (Gap(epoch=1, first=200, last=None, reason="power"),)


def test_rows_leave_the_file_when_they_are_acknowledged(start: Start, tmp_path: Path) -> None:
    keeper = start()
    put(keeper, 500)
    stored(keeper, 500)
    keeper.outbox.acknowledge(1, 1, 500)
    with sqlite3.connect(tmp_path / "outbox-porch.db") as db:
        until(lambda: db.execute("SELECT count(*) FROM chunk").fetchone() == (0,), what="an empty file")
    db.close()


def test_the_file_shrinks_after_an_outage(start: Start, tmp_path: Path) -> None:
    keeper = start()
    put(keeper, 3000, size=1000)
    stored(keeper, 3000)
    keeper.outbox.acknowledge(1, 1, 3000)

    def size() -> int:
        keeper.outbox.put(Kind.EVENT, "door", b"{}")  # each commit gives some pages back
        return (tmp_path / "outbox-porch.db").stat().st_size

    until(lambda: size() < 1_500_000, 20.0, "a smaller file")


def test_eviction_on_the_disk_is_a_gap_that_survives(start: Start) -> None:
    keeper = start(max_bytes=100_000)
    put(keeper, 400, size=1000)
    stored(keeper, keeper.outbox.counts.waiting)
    assert keeper.outbox.held_bytes <= 90_000
    evicted = keeper.outbox.counts.evicted
    assert evicted > 300
    crash(keeper)
    gaps = start().outbox.take_gaps()
    assert [(gap.first, gap.last, gap.reason) for gap in gaps if gap.reason != "power"] == [(1, evicted, "outbox full")]


def test_two_processes_cannot_have_one_outbox(start: Start, tmp_path: Path) -> None:
    start()
    with pytest.raises(UnavailableError, match="in use by another process"):
        Keeper(tmp_path, "porch", OutboxSettings())
    Keeper(tmp_path, "yard", OutboxSettings()).close()


def test_a_file_of_a_newer_version_is_left_alone(start: Start, tmp_path: Path) -> None:
    start().close()
    with sqlite3.connect(tmp_path / "outbox-porch.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(UnavailableError, match="newer edge_infer"):
        Keeper(tmp_path, "porch", OutboxSettings())


@pytest.mark.parametrize("offset", [0, 100, 1024, 5000])
def test_a_damaged_file_is_set_aside_and_what_was_in_it_is_a_gap(start: Start, tmp_path: Path, offset: int) -> None:
    first = start()
    put(first, 300, size=300)
    stored(first, 300)
    crash(first)
    with (tmp_path / "outbox-porch.db").open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * 20_000)
    second = start()
    assert second.outbox.trouble is None
    (aside,) = tmp_path.glob("outbox-porch.db.damaged-*[0-9]")
    assert aside.stat().st_size > 20_000
    assert second.outbox.take_gaps() == (Gap(epoch=1, first=1, last=None, reason="outbox damaged"),)
    put(second, 5)
    stored(second, 5)


def test_damage_while_it_runs_gives_up_what_lay_there_and_goes_on(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = start()
    put(keeper, 300, size=300)
    stored(keeper, 300)
    really = Store.commit

    def commit(store: Store, *args: object) -> object:
        monkeypatch.setattr(Store, "commit", really)
        store._disconnect()
        with store.path.open("r+b") as file:
            file.write(b"\xa5" * 50_000)
        store._connect()  # finds out
        return []

    monkeypatch.setattr(Store, "commit", commit)
    put(keeper, 7)
    until(lambda: keeper.outbox.counts.evicted == 300 and keeper.outbox.counts.stored == 7, 30.0, "a new file")
    gaps = keeper.outbox.take_gaps()
    assert [(gap.first, gap.last, gap.reason) for gap in gaps] == [(1, 300, "outbox damaged")]
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1
    until(lambda: keeper.trouble is None, what="the end of the trouble")


def test_a_disk_that_fails_costs_nothing_and_is_used_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = start()
    really = Store.commit
    broken = threading.Event()
    broken.set()

    def commit(store: Store, *args: object) -> object:
        if broken.is_set():
            store._disconnect()
            raise StoreError("cannot keep results: disk I/O error")
        return really(store, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "commit", commit)
    put(keeper, 50)
    until(lambda: keeper.trouble is not None, what="the trouble")
    assert "disk I/O error" in str(keeper.trouble)
    assert keeper.outbox.counts.waiting == 50
    broken.clear()
    stored(keeper, 50)
    until(lambda: keeper.trouble is None, what="the end of the trouble")


def test_a_disk_that_hangs_is_named(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STUCK_S", 0.1)
    monkeypatch.setattr(module, "STOP_S", 0.1)
    keeper = start()
    goes_on = threading.Event()
    really = Store.commit

    def commit(store: Store, *args: object) -> object:
        goes_on.wait(20.0)
        return really(store, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "commit", commit)
    put(keeper)
    until(lambda: keeper.trouble is not None, what="the trouble")
    assert "does not answer" in str(keeper.trouble)
    put(keeper, 100)  # nobody waits
    goes_on.set()
    stored(keeper, 101)
    until(lambda: keeper.trouble is None, what="the end of the trouble")


def test_an_outbox_does_not_grow_on_a_disk_that_is_nearly_full(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = start(min_free_bytes=1)
    put(keeper, 10)
    stored(keeper, 10)

    class Full:
        f_bavail, f_frsize = 0, 4096

    really = os.statvfs
    monkeypatch.setattr(os, "statvfs", lambda _path: Full())
    put(keeper, 10)
    until(lambda: keeper.trouble is not None, what="the trouble")
    assert "make room" in str(keeper.trouble)
    assert keeper.outbox.counts.stored == 10
    monkeypatch.setattr(os, "statvfs", really)
    stored(keeper, 20)
    until(lambda: keeper.trouble is None, what="the end of the trouble")


def test_without_a_folder_that_can_be_written_results_stay_in_ram(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    keeper = Keeper(tmp_path / "state", "porch", OutboxSettings())
    keeper.start()
    put(keeper, 10)
    assert "cannot keep results" in str(keeper.trouble)
    assert keeper.outbox.counts.waiting == 10
    assert not keeper.close()


def test_a_folder_that_can_be_written_later_is_used_then(tmp_path: Path) -> None:
    before = Keeper(tmp_path / "state", "porch", OutboxSettings())
    put(before, 3)
    before.close()
    (tmp_path / "state").rename(tmp_path / "elsewhere")
    (tmp_path / "state").write_text("a file where the folder should be")
    keeper = Keeper(tmp_path / "state", "porch", OutboxSettings(commit_s=0.05, min_free_bytes=0))
    keeper.start()
    put(keeper, 5)
    assert keeper.trouble
    (tmp_path / "state").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "state")
    until(lambda: keeper.outbox.counts.stored == 8, 30.0, "all of it on the disk")
    assert keeper.outbox.counts.recovered == 3
    assert keeper.close()


def test_what_an_earlier_start_left_grows_old_once_the_clock_can_be_believed(start: Start) -> None:
    first = start()
    put(first, 5)
    first.close()
    clock: list[ClockState] = ["unsynced"]
    keeper = start(clock=lambda: clock[0], max_age_s=1e-6)
    keeper._turn()
    assert keeper.outbox.counts.evicted == 0
    clock[0] = "synced"
    until(lambda: keeper.outbox.counts.evicted == 5, what="the eviction")


def _write_until_killed(folder: str, pipe: int) -> None:
    keeper = Keeper(Path(folder), "porch", OutboxSettings(commit_s=0.05, min_free_bytes=0, durability="strict"))
    keeper.start()
    while True:
        seq = keeper.outbox.put(Kind.RESULT, "door", b"{}")
        keeper.outbox.wait_committed(seq, 5.0)
        os.write(pipe, seq.to_bytes(8, "little"))


def test_a_process_that_is_killed_keeps_what_strict_promised(start: Start, tmp_path: Path) -> None:
    read, write = os.pipe()
    process = multiprocessing.get_context("fork").Process(target=_write_until_killed, args=(str(tmp_path), write))
    process.start()
    os.close(write)
    accepted = b""
    while len(accepted) < 8 * 100:
        accepted += os.read(read, 8)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join(10.0)
    while more := os.read(read, 65536):
        accepted += more
    os.close(read)
    keeper = start()
    assert keeper.outbox.epoch == 2
    assert keeper.outbox.counts.recovered >= len(accepted) // 8
