import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import until

from edge_infer.health import machine
from edge_infer.health.machine import Meter, Usage, disk


def test_this_machine_is_measured() -> None:
    meter = Meter()
    for _ in range(2):
        usage = meter.look()
        assert usage.cpu_percent is not None
        assert 0.0 <= usage.cpu_percent <= 100.0
        assert usage.memory_bytes
        assert usage.memory_available_bytes
        assert 0 < usage.memory_available_bytes <= usage.memory_bytes
        assert "lo" not in usage.network
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    assert usage.memory_bytes == int(total.split()[1]) * 1024


def test_child_processes_are_counted_with_theirs() -> None:
    before = Meter().look()
    child = subprocess.Popen(["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE)
    try:
        assert child.stdout
        grandchild = int(child.stdout.readline())
        during = Meter().look()
        assert before.children is not None
        assert before.children_rss_bytes is not None
        assert during.children == before.children + 2
        assert (during.children_rss_bytes or 0) > before.children_rss_bytes + 100_000
    finally:
        subprocess.run(["kill", "-9", str(grandchild)], check=True)
        child.wait(10.0)
        child.stdout.close()
    until(lambda: Meter().look().children == before.children, what="their end")


def test_each_interface_has_its_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line.split() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]
    received = {line[0].removesuffix(":"): int(line[1]) for line in lines}
    found = Meter().look().network
    assert set(found) <= set(received) - {"lo"}
    for name in set(received) - set(found) - {"lo"}:
        assert received[name] == 0 or name.startswith("veth")
    for name, nic in found.items():
        assert nic.rx_bytes >= received[name]
    monkeypatch.setattr(machine, "MAX_INTERFACES", 0)
    assert Meter().look().network == {}


def test_the_disk_is_that_of_the_folder_even_before_it_is_made(tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)
    found = disk(tmp_path / "not" / "yet")
    assert found
    assert found[0] == usage.total
    assert abs(found[1] - usage.free) < 1e9
    assert disk(Path("/proc/self/fd/999999/x")) is not None  # of /proc, which is there


def test_without_psutil_nothing_is_known_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert Meter().look() == Usage(None, None, None, None, None, {})


def test_the_daemon_starts_without_psutil() -> None:
    program = "import sys; sys.modules['psutil'] = None; import edge_infer.daemon; print('ready')"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout, ran.returncode) == ("ready\n", 0), ran.stderr
