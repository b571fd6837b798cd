"""A program of another processor, run among that machine's files by qemu-user."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from arm_run.boards import REPOSITORY, Board
from edge_infer.errors import UnavailableError

ENTER = Path(__file__).with_name("enter.sh")
# slave: a disk that is unmounted outside is so here, too; else it would be in use until the end.
# A user namespace has a binfmt_misc of its own from Linux 6.7: nothing is registered for the whole machine.
NAMESPACES = (
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "--propagation=slave",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
)
REGISTRATION = "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc"
PACKAGE = "repository"  # where ours is mounted, read-only


def check_possible(board: Board) -> None:
    """Return if programs of this board can be run here.

    Raises:
        UnavailableError: they cannot.
    """
    if shutil.which(f"{board.emulator}-static") is None:
        raise UnavailableError(f"needs {board.emulator}-static: apt install qemu-user-static")
    tried = subprocess.run([*NAMESPACES, "sh", "-c", REGISTRATION], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise UnavailableError(f"needs Linux 6.7 and user namespaces: {tried.stderr.strip()}")


@dataclass(frozen=True)
class Emulation:
    """One machine; `folders` are those of this machine that it may write to, by the place where it sees them."""

    board: Board
    root: Path
    processor: str
    folders: dict[str, Path] = field(default_factory=dict)

    def command(self, *arguments: str | Path, **environment: str) -> list[str]:
        """What runs a command there; whatever it started ends with it, or when the caller does."""
        mounts = [str(REPOSITORY), f"/{PACKAGE}", "ro"]
        for place, folder in self.folders.items():
            mounts += [str(folder), place, "rw"]
        variables = {
            "PATH": "/usr/bin:/bin",
            "HOME": "/tmp",
            "LANG": "C.UTF-8",
            "PYTHONPATH": f"/{PACKAGE}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "QEMU_CPU": self.processor,
        } | environment
        return [
            *("setpriv", "--pdeathsig", "KILL", *NAMESPACES, "sh", str(ENTER), str(self.root), self.board.emulator),
            *(*mounts, "--", "/usr/bin/env", "-i", "-C", f"/{PACKAGE}"),
            *(f"{name}={value}" for name, value in variables.items()),
            *map(str, arguments),
        ]

    def run(self, *arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
        """A command that ends by itself; what it says is kept."""
        command = self.command(*arguments, **environment)
        return subprocess.run(command, capture_output=True, text=True, check=False)
