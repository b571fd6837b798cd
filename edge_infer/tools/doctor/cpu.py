"""Processor cores: how many there are, how many we may use, and how fast they are let run."""

import re
from collections.abc import Iterator
from pathlib import Path

from edge_infer.tools.doctor.finding import Finding, ok, warn
from edge_infer.tools.doctor.reading import number, pairs, text

# What makes int8 models fast. Source: kernel names in /proc/cpuinfo of the dot product instructions of ARMv8.2 and x86.
DOT_PRODUCT = {"asimddp", "avx512_vnni", "avx_vnni"}
# Those of Raspberry Pis and Coral boards. Source: arch/arm64/include/asm/cputype.h
CORES = {"0xc07": "Cortex-A7", "0xd03": "Cortex-A53", "0xd08": "Cortex-A72", "0xd0b": "Cortex-A76"}


def check_cpu(root: Path = Path("/")) -> Iterator[Finding]:
    """Cores, features, limits, governor."""
    info = pairs(root / "proc/cpuinfo")
    features = (info.get("flags") or info.get("Features") or "").split()
    name = info.get("model name") or CORES.get(info.get("CPU part", ""), "")
    present = _count(text(root / "sys/devices/system/cpu/present"))
    usable = _count(pairs(root / "proc/self/status").get("Cpus_allowed_list", "")) or present
    quota = _quota(root)
    cores = f"{usable} of {present} cores" if present != usable else f"{present} cores"
    described = ", ".join(
        part for part in (name, cores, "int8 dot product" if DOT_PRODUCT & set(features) else "") if part
    )
    governor = text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if not present or not info:
        yield warn(
            "cpu",
            "/proc/cpuinfo or /sys/devices/system/cpu cannot be read: the runtime then leaves its fast kernels",
            "show them to it: no ProcSubset=pid in the systemd unit, /sys mounted in the container",
        )
    elif quota is not None and quota < 1:
        yield warn(
            "cpu",
            f"{described}; a limit leaves us {quota:.2f} of a core: frames will be late",
            "raise CPUQuota= of the service, or the container's limit",
        )
    elif governor == "powersave":
        yield warn(
            "cpu",
            f"{described}; the governor 'powersave' keeps them at their lowest speed",
            "choose another, and make it last with `governor=` of your system",
            "echo ondemand | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        )
    else:
        limit = f"; limited to {quota:.2f} cores" if quota is not None and quota < usable else ""
        yield ok("cpu", described + limit + (f", governor {governor}" if governor else ""))


def cgroup(root: Path, controller: str) -> list[Path]:
    """Our group of a controller and those above it: in the one tree of version 2, or in the controller's own."""
    folders = []
    for line in text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        names, separates, path = rest.partition(":")
        if separates and (not names or controller in names.split(",")):
            tree = root / "sys/fs/cgroup" / (controller if names else "")
            group = Path(path)
            folders += [tree / str(folder).lstrip("/") for folder in (group, *group.parents)]
    return folders


def _quota(root: Path) -> float | None:
    """How many cores the strictest of our groups leaves us."""
    limits = []
    for folder in cgroup(root, "cpu"):
        words = text(folder / "cpu.max").split()  # such as "50000 100000" or "max 100000"
        quota, period = number(folder / "cpu.cfs_quota_us"), number(folder / "cpu.cfs_period_us")
        if len(words) == 2 and all(word.isdecimal() for word in words):
            limits.append(int(words[0]) / max(1, int(words[1])))
        elif quota and period and quota > 0:
            limits.append(quota / period)
    return min(limits, default=None)


def _count(spans: str) -> int:
    """How many numbers "0-2,7" names."""
    return sum(int(last or first) - int(first) + 1 for first, last in re.findall(r"(\d+)(?:-(\d+))?", spans))
