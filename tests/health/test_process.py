import threading
import time
from pathlib import Path

from waiting import DEADLINE

from edge_infer.health.process import clock_state, this_process, thread_cpu_s


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


def test_the_cpu_time_of_a_thread_is_its_own() -> None:
    computed, ending = threading.Event(), threading.Event()

    def work() -> None:
        began = time.thread_time()
        while time.thread_time() - began < 0.05:
            pass
        computed.set()
        ending.wait()

    threads = [threading.Thread(target=work, name="busy"), threading.Thread(target=ending.wait, name="idle")]
    try:
        for thread in threads:
            thread.start()
        assert computed.wait(DEADLINE)
        found = thread_cpu_s()
    finally:
        ending.set()
        for thread in threads:
            thread.join()
    assert found["idle"] < 0.05 <= found["busy"]


def test_the_kernel_says_whether_its_clock_is_right() -> None:
    assert clock_state() in ("synced", "unsynced")
