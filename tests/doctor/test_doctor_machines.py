"""What the doctor reads off machines: healthy ones, and each of the usual troubles, with its cure."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from machines import COMMON, ELF_32, PC, PI_4, PI_5, Tree, one, write

from edge_infer.tools.doctor.clock import check_clock
from edge_infer.tools.doctor.cpu import check_cpu
from edge_infer.tools.doctor.finding import Finding
from edge_infer.tools.doctor.machine import check_machine, read_machine
from edge_infer.tools.doctor.memory import check_limits, check_memory, check_shared_memory
from edge_infer.tools.doctor.power import check_power, check_temperature, check_wear

Check = Callable[[Path], Iterator[Finding]]
CHECKS: list[Check] = [check_machine, check_cpu, check_memory, check_limits, check_power, check_temperature, check_wear]


@pytest.mark.parametrize("machine", [PI_5, PI_4, PC], ids=["Pi 5", "Pi 4", "PC"])
def test_a_healthy_machine_has_nothing_to_mend(tmp_path: Path, machine: Tree) -> None:
    root = write(tmp_path, machine)
    findings = [finding for check in CHECKS for finding in check(root)]
    assert [finding for finding in findings if finding.level in ("warn", "fail")] == []


def test_a_machine_is_described_in_a_line(tmp_path: Path) -> None:
    detail = one(check_machine(write(tmp_path, PI_5))).detail
    assert detail == (
        "Raspberry Pi 5 Model B Rev 1.0, Debian GNU/Linux 12 (bookworm), "
        "Linux 6.12.34+rpt-rpi-2712 aarch64, 16 kB pages"
    )
    assert one(check_cpu(tmp_path)).detail == "Cortex-A76, 4 cores, int8 dot product, governor ondemand"
    assert one(check_power(tmp_path)).detail == "no under-voltage or throttling since the boot"
    assert one(check_temperature(tmp_path)).detail == "processor 51 °C"
    assert read_machine(tmp_path).is_pi


def cgroup(name: str, value: str) -> Tree:
    return {f"sys/fs/cgroup/system.slice/{name}": value}


V1: Tree = {
    "proc/self/cgroup": "4:memory:/box\n8:pids:/box\n1:cpu,cpuacct:/box\n",
    "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "50000\n",
    "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "100000000\n",
    "sys/fs/cgroup/pids/box/pids.max": "10\n",
}
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
TROUBLES: dict[str, tuple[Check, Tree, str, str]] = {
    "32-bit system": (check_machine, {"proc/self/exe": ELF_32}, "only its kernel is 64-bit", "64-bit Raspberry Pi OS"),
    "under-voltage now": (check_power, {THROTTLED: "50005\n"}, "now: under-voltage, throttled", "power supply"),
    "under-voltage before": (check_power, {THROTTLED: "10000\n"}, "since the boot: under-voltage", "power supply"),
    "too hot before": (check_power, {THROTTLED: "80000\n"}, "since the boot: soft temperature limit", "heat sink"),
    "too hot": (
        check_temperature,
        {"sys/class/thermal/thermal_zone0/temp": "84000\n"},
        "processor 84 °C: it slows itself down",
        "heat sink",
    ),
    "Edge TPU too hot": (check_temperature, {"sys/class/apex/apex_0/temp": "91000\n"}, "Edge TPU 0 91 °C", "heat sink"),
    "worn eMMC": (
        check_wear,
        {"sys/block/mmcblk0/device/life_time": "0x0a 0x03\n", "sys/block/mmcblk0/device/pre_eol_info": "0x02\n"},
        "spare blocks warning, 100 % of its life is used",
        "another board",
    ),
    "processor hidden": (check_cpu, {"proc/cpuinfo": ""}, "/proc/cpuinfo", "ProcSubset=pid"),
    "cores hidden": (check_cpu, {"sys/devices/system/cpu/present": ""}, "/sys/devices/system/cpu", "/sys mounted"),
    "lowest clock": (
        check_cpu,
        {"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n"},
        "'powersave'",
        "choose another",
    ),
    "half a core": (check_cpu, cgroup("cpu.max", "50000 100000\n"), "leaves us 0.50 of a core", "CPUQuota="),
    "half a core (v1)": (check_cpu, V1, "leaves us 0.50 of a core", "CPUQuota="),
    "no memory": (check_memory, {"proc/meminfo": "MemTotal: 500000 kB\nMemAvailable: 90000 kB\n"}, "no swap", "zram"),
    "no memory for us": (check_memory, cgroup("memory.max", "100000000\n"), "limited to 100 MB", "smaller model"),
    "no memory for us (v1)": (check_memory, V1, "limited to 100 MB", "smaller model"),
    "few tasks": (check_limits, cgroup("pids.max", "10\n"), "10 tasks: fewer tasks than 64", "TasksMax="),
    "few tasks (v1)": (check_limits, V1, "10 tasks: fewer tasks than 64", "TasksMax="),
    "few files": (
        check_limits,
        {"proc/self/limits": "Max open files            20                   20                   files\n"},
        "20 open files",
        "LimitNOFILE=",
    ),
}


@pytest.mark.parametrize(("check", "trouble", "says", "fix"), TROUBLES.values(), ids=TROUBLES)
def test_a_trouble_is_named_with_its_cure(tmp_path: Path, check: Check, trouble: Tree, says: str, fix: str) -> None:
    finding = one(check(write(tmp_path, PI_4, trouble)))
    assert finding.level == "warn"
    assert says in finding.detail
    assert fix in finding.fix


def test_fewer_cores_than_the_machine_has_are_said(tmp_path: Path) -> None:
    fewer = {"proc/self/status": "Cpus_allowed_list:\t0,2-3\n"}
    root = write(tmp_path, PI_4, fewer, cgroup("cpu.max", "150000 100000"))
    assert one(check_cpu(root)).detail == "Cortex-A72, 3 of 4 cores; limited to 1.50 cores, governor ondemand"


@pytest.mark.parametrize("check", CHECKS)
def test_a_machine_that_shows_nothing_is_no_fault_of_ours(tmp_path: Path, check: Check) -> None:
    for finding in check(tmp_path):
        assert finding.level in ("ok", "warn", "skip")


@pytest.mark.parametrize("check", CHECKS)
def test_files_with_nonsense_are_no_fault_of_ours(tmp_path: Path, check: Check) -> None:
    nonsense = dict.fromkeys([*COMMON, THROTTLED, "proc/cpuinfo"], b"\xff\0:::\n-1 x y\n= \n")
    for finding in check(write(tmp_path, nonsense)):
        assert finding.level in ("ok", "warn", "skip")


def test_a_clock_that_nobody_sets_is_named(tmp_path: Path) -> None:
    unset = one(check_clock(tmp_path, lambda: "unsynced", lambda: 12345.0))
    assert (unset.level, unset.command[:16]) == ("warn", "sudo timedatectl")
    assert "1970-01-01 03:25:45 UTC, not synchronised, which is wrong" in unset.detail
    assert "no clock chip" in unset.detail
    right = one(check_clock(write(tmp_path, PC), lambda: "synced", lambda: 1.8e9))
    assert (right.level, right.detail) == ("ok", "2027-01-15 08:00:00 UTC, synchronised")


def test_shared_memory_can_be_had() -> None:
    assert one(check_shared_memory()).level == "ok"
