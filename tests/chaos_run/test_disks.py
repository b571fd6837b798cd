"""The faulty disks do what they should: else the tests that stand on them prove nothing."""

import os
import sqlite3
from pathlib import Path

import power
import pytest
from full_disk import small_disk


def write(path: Path, *, sync: bool) -> int:
    """Leaves the file open, as whoever is hit by a power cut does."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.write(file, b"content")
    if sync:
        os.fsync(file)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    return file


def test_a_power_cut_loses_what_was_not_synced_and_keeps_what_was(tmp_path: Path) -> None:
    with power.disk(tmp_path) as disk:
        files = [write(disk.path / "synced", sync=True), write(disk.path / "unsynced", sync=False)]
        disk.cut_power()
        with pytest.raises(OSError, match="Input/output error"):
            os.write(files[0], b"more")
        for file in files:
            os.close(file)
        disk.remount()
        assert (disk.path / "synced").read_bytes() == b"content"
        assert not (disk.path / "unsynced").exists()


def test_after_a_power_cut_a_database_holds_what_was_committed(tmp_path: Path) -> None:
    with power.disk(tmp_path) as disk:
        for number in range(3):
            database = sqlite3.connect(disk.path / "db", isolation_level=None)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("CREATE TABLE IF NOT EXISTS t (n)")
            assert [n for (n,) in database.execute("SELECT n FROM t")] == list(range(number))
            database.execute("INSERT INTO t VALUES (?)", (number,))
            disk.cut_power()
            with pytest.raises(sqlite3.OperationalError):
                database.execute("INSERT INTO t VALUES (99)")
            database.close()
            disk.remount()


def test_a_disk_that_turned_read_only_fails_writes_and_still_reads(tmp_path: Path) -> None:
    with power.disk(tmp_path) as disk:
        file = write(disk.path / "file", sync=True)
        disk.turn_read_only()
        with pytest.raises(OSError, match=r"(?i)input/output error|read-only"):
            os.write(file, b"more")
        with pytest.raises(OSError, match=r"(?i)input/output error|read-only"):
            (disk.path / "new").write_bytes(b"")
        assert (disk.path / "file").read_bytes() == b"content"
        os.close(file)
        disk.remount()
        (disk.path / "new").write_bytes(b"")


def test_a_disk_counts_what_reaches_it(tmp_path: Path) -> None:
    with power.disk(tmp_path) as disk:
        before = disk.written()
        file = write(disk.path / "file", sync=False)
        assert disk.written().flushes == before.flushes
        os.fsync(file)
        os.close(file)
        assert disk.written().flushes > before.flushes
        assert disk.written().size > before.size


def test_a_full_disk_takes_nothing_until_it_is_freed(tmp_path: Path) -> None:
    with small_disk(tmp_path, 256) as disk:
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.path / "file").write_bytes(b"x")
        disk.free()
        (disk.path / "file").write_bytes(b"x" * 200_000)


def test_a_disk_can_be_filled_but_for_some_bytes(tmp_path: Path) -> None:
    with small_disk(tmp_path, 256) as disk:
        disk.fill(leave=40_000)
        assert 36_000 <= disk.free_bytes <= 40_960
        (disk.path / "file").write_bytes(b"x" * 36_000)


def test_nothing_is_left_mounted(tmp_path: Path) -> None:
    with power.disk(tmp_path) as disk, small_disk(tmp_path, 64):
        (disk.path / "file").write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
