import threading
from pathlib import Path

from edge_infer.health.process import clock_state, this_process


def test_this_process_has_memory_files_and_threads(tmp_path: Path) -> None:
    before = this_process()
    ending = threading.Event()
    thread = threading.Thread(target=ending.wait)
    thread.start()
    try:
        with (tmp_path / "open").open("w"):
            during = this_process()
    finally:
        ending.set()
        thread.join()
    assert 2**20 < before.rss_bytes < 2**36
    assert during.open_files == before.open_files + 1
    assert during.threads == before.threads + 1


def test_the_kernel_says_whether_its_clock_is_right() -> None:
    assert clock_state() in ("synced", "unsynced")
