"""The broker is away for a week at 30 results a second: the caps hold, and what was given up is reported once."""

import os
from pathlib import Path

import pytest
from chaos_run.device import a_result
from keeping import Keeping, all_accounted

from edge_infer.wire.payloads import OutboxHealth

WEEK = 30 * 7 * 24 * 3600  # results
CAP = 64_000_000  # bytes
RAM = 60_000_000  # 20 MB of records at most, accounts of what is on the disk, and what Python keeps


def rss() -> int:
    """Bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def outage(folder: Path, results: int, cap: int) -> tuple[OutboxHealth, int]:
    """What is held after an outage, and by how many bytes the process has grown; everything else is checked here."""
    rows = cap // 50  # so that both caps matter: a made-up result takes 49 bytes
    device = Keeping(folder, folder / "state", max_bytes=cap, max_rows=rows)
    outbox = device.publisher.outbox
    before = rss()
    for number in range(1, results + 1):
        assert device.publisher.publish(a_result(number, "door")) == number
        assert outbox.held_bytes <= cap
        assert outbox.counts.waiting <= rows
    device.is_well()
    health, grown = device.adds_up(), rss() - before
    on_disk = sum(path.stat().st_size for path in (folder / "state").iterdir())
    assert on_disk <= 1.5 * cap + 2_500_000, "the file has pages, a log, and holes"
    stored, given_up = device.deliver()
    assert all_accounted(stored, given_up, results)
    assert given_up.count == health.evicted > 0
    assert list(given_up) == [(1, health.evicted)], "the oldest first"
    return health, grown


def test_a_long_outage_keeps_the_caps_and_reports_what_it_gave_up(tmp_path: Path) -> None:
    _, grown = outage(tmp_path, WEEK // 640, CAP // 640)
    assert grown < RAM


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_week_without_a_broker(tmp_path: Path) -> None:
    health, grown = outage(tmp_path, WEEK, CAP)
    print(f"held: {health.waiting} in {health.held_bytes} bytes; given up: {health.evicted}; RSS grew by {grown} bytes")
    assert grown < RAM
