"""Machines as they show themselves below /proc, /sys, /dev and /etc, written as trees of files."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from edge_infer.tools.doctor.finding import Finding

Tree = Mapping[str, str | bytes]
ELF_64, ELF_32 = b"\x7fELF\x02", b"\x7fELF\x01"

COMMON: Tree = {
    "proc/self/exe": ELF_64,
    "proc/self/smaps": "5566-5577 r-xp 0 00:00 0\nSize: 4 kB\nKernelPageSize:        4 kB\nMMUPageSize: 4 kB\n",
    "proc/self/status": "Name:\tpython\nCpus_allowed_list:\t0-3\n",
    "proc/self/cgroup": "0::/system.slice/edge-infer.service\n",
    "proc/self/mountinfo": "21 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw\n",
    "proc/self/limits": (
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max processes             14872                14872                processes \n"
        "Max open files            1024                 524288               files     \n"
    ),
    "proc/sys/kernel/arch": "aarch64\n",
    "proc/sys/kernel/osrelease": "6.12.34+rpt-rpi-v8\n",
    "proc/meminfo": "MemTotal: 8244680 kB\nMemAvailable: 7011232 kB\nSwapTotal: 524284 kB\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "sys/devices/system/cpu/present": "0-3\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "51200\n",
}
PI_5: Tree = {
    **COMMON,
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "proc/self/smaps": "KernelPageSize:       16 kB\n",
    "proc/sys/kernel/osrelease": "6.12.34+rpt-rpi-2712\n",
    "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd asimdhp asimddp\nCPU part\t: 0xd0b\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
    "sys/class/rtc/rtc0/name": "rpi-rtc\n",
}
PI_4: Tree = {
    **COMMON,
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU part\t: 0xd08\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
}
PC: Tree = {
    **COMMON,
    "sys/class/dmi/id/product_name": "NUC8i5BEH\n",
    "proc/sys/kernel/arch": "x86_64\n",
    "proc/sys/kernel/osrelease": "6.1.0-38-amd64\n",
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Intel(R) Core(TM) i5\nflags\t\t: fpu sse avx2 avx512_vnni\n",
    "sys/class/rtc/rtc0/name": "rtc_cmos\n",
}


def usb_coral(speed: int = 5000, *, ready: bool = True) -> Tree:
    """A USB Accelerator at port 2-1, before or after its firmware was loaded."""
    vendor, product = ("18d1", "9302") if ready else ("1a6e", "089a")
    port = "sys/bus/usb/devices/2-1"
    return {
        f"{port}/idVendor": f"{vendor}\n",
        f"{port}/idProduct": f"{product}\n",
        f"{port}/speed": f"{speed}\n",
        f"{port}/busnum": "2\n",
        f"{port}/devnum": "7\n",
        "dev/bus/usb/002/007": "",
    }


PCI_CORAL: Tree = {
    "sys/bus/pci/devices/0000:01:00.0/vendor": "0x1ac1\n",
    "sys/bus/pci/devices/0000:01:00.0/device": "0x089a\n",
}
WEBCAM: Tree = {
    "sys/class/video4linux/video0/name": "HD Webcam\n",
    "sys/class/video4linux/video0/index": "0\n",
    "dev/video0": "",
}


def write(root: Path, *trees: Tree, links: Mapping[str, str] | None = None) -> Path:
    """Write trees below `root`, later ones over earlier ones; `links` are symbolic links."""
    for name, content in {name: content for tree in trees for name, content in tree.items()}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for name, target in (links or {}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    return root


def one(findings: Iterator[Finding]) -> Finding:
    """The only one."""
    (finding,) = findings
    return finding
