"""What this machine is: board, kernel, operating system, and the width of this Python."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_infer.tools.doctor.finding import Finding, ok, warn
from edge_infer.tools.doctor.reading import pairs, text

ARM64 = ("aarch64", "arm64")
# Source: kernel, arch/arm64: what Raspberry Pi OS starts a Pi 5 with by default.
LARGE_PAGES = 16384
ELF = b"\x7fELF"
ELF_CLASS = {1: 32, 2: 64}  # Source: elf(5), EI_CLASS, byte 4


@dataclass(frozen=True, slots=True)
class Machine:
    """`bits` are those of this Python, which a 64-bit kernel runs, too, if they are 32; 0: not known."""

    board: str
    arch: str
    kernel: str
    system: str
    bits: int
    page_bytes: int

    @property
    def is_pi(self) -> bool:
        """A Raspberry Pi."""
        return "Raspberry Pi" in self.board

    @property
    def is_32_on_64(self) -> bool:
        """A 32-bit system under a 64-bit kernel, which `uname` does not show."""
        return self.bits == 32 and self.arch in (*ARM64, "x86_64")


def read_machine(root: Path = Path("/")) -> Machine:
    """Read from /proc, /sys and /etc below `root`."""
    page = pairs(root / "proc/self/smaps").get("KernelPageSize", "4 kB")
    return Machine(
        board=text(root / "proc/device-tree/model") or text(root / "sys/class/dmi/id/product_name"),
        arch=text(root / "proc/sys/kernel/arch") or os.uname().machine,  # the file came with Linux 6.1
        kernel=text(root / "proc/sys/kernel/osrelease"),
        system=pairs(root / "etc/os-release", "=").get("PRETTY_NAME", "").strip('"'),
        bits=_bits(root / "proc/self/exe"),
        page_bytes=int(page.split()[0]) * 1024,
    )


def check_machine(root: Path = Path("/")) -> Iterator[Finding]:
    """Board, system and kernel; a 32-bit system on a 64-bit machine."""
    machine = read_machine(root)
    pages = f", {machine.page_bytes // 1024} kB pages" if machine.page_bytes != 4096 else ""
    parts = [machine.board, machine.system, f"Linux {machine.kernel} {machine.arch}{pages}"]
    described = ", ".join(part for part in parts if part)
    if machine.is_32_on_64:
        yield warn(
            "machine",
            f"{described}: the system is 32-bit, only its kernel is 64-bit",
            "install the 64-bit Raspberry Pi OS: the faster runtime (LiteRT), NumPy and OpenCV have no 32-bit wheels",
        )
    else:
        yield ok("machine", described)


def _bits(program: Path) -> int:
    try:
        with program.open("rb") as file:
            head = file.read(5)
    except OSError:
        return 0
    return ELF_CLASS.get(head[4], 0) if head[:4] == ELF and len(head) == 5 else 0
