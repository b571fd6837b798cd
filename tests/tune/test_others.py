"""How much of the machine others use is what the kernel counts, less our own."""

import subprocess
import sys
import time
from pathlib import Path

from waiting import until

from edge_infer.tools.tune.others import Others


def test_what_another_process_uses_is_counted_and_our_own_is_not(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        others = Others()
        until(lambda: others.cores() > 0.2, what="a busy process")
        busy.kill()
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 100 1000 50 0 0 0 0 0\ncpu0 1 1\n")
    alone = Others(stat)
    stat.write_text("cpu  100 0 100 9000 999 0 0 0 50 50\ncpu0 1 1\n")
    started = time.process_time()
    while time.process_time() - started < 0.05:
        pass
    assert alone.cores() == 0.0
