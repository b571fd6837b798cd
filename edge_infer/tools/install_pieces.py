"""What an installed service consists of: files, the program that it runs, and what its sandbox hides."""

import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_infer.errors import UnavailableError
from edge_infer.settings import Settings

# name in systemd/ -> where a system's own administrator puts such a file. Source: file-hierarchy(7), sysusers.d(5)
PLACES = {
    "edge-infer.service": "etc/systemd/system/edge-infer.service",
    "edge-infer@.service": "etc/systemd/system/edge-infer@.service",
    "edge-infer.sysusers": "etc/sysusers.d/edge-infer.conf",
    "edge-infer.tmpfiles": "etc/tmpfiles.d/edge-infer.conf",
    "99-edge-infer-coral.rules": "etc/udev/rules.d/99-edge-infer-coral.rules",
}
PACKAGED = "ExecStart=/usr/bin/edge-infer "  # what stands in systemd/; the program that installs comes in its place
# Source: systemd.exec(5), ProtectHome= and PrivateTmp=
HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108 - none is written to


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of the installation."""

    path: Path
    text: str


def pieces(root: Path) -> list[Piece]:
    """All files that belong to an installation below `root`.

    Raises:
        UnavailableError: the service could not run this program, or the package is incomplete.
    """
    command = _quoted(program(root))
    folder = _templates()
    return [
        Piece(path, (folder / name).read_text("utf-8").replace(PACKAGED, f"ExecStart={command} "))
        for name, path in zip(PLACES, paths(root), strict=True)
    ]


def paths(root: Path) -> list[Path]:
    """Where the files lie."""
    return [root / place for place in PLACES.values()]


def program(root: Path) -> list[str]:
    """The command line of this very program, as a service on the system below `root` would start it.

    Raises:
        UnavailableError: its sandbox hides the program, or other users must not read it.
    """
    python = Path(sys.executable)
    script = python.with_name("edge-infer")
    for part in (python, python.resolve(), Path(__file__).resolve()):
        if why := unseen(_inside(part, root)) or _closed(part):
            raise UnavailableError(
                f"the service cannot run this program: {why}. Install it where every user may read it: "
                "`python3 -m venv /opt/edge-infer`, `/opt/edge-infer/bin/pip install edge-infer`, then "
                "`/opt/edge-infer/bin/edge-infer install`"
            )
    command = [script] if script.is_file() else [python, "-m", "edge_infer"]
    return [str(_inside(part, root) if isinstance(part, Path) else part) for part in command]


def unseen(path: Path) -> str:
    """Why the service cannot see a path; empty if it can."""
    hidden = next((folder for folder in HIDDEN if path.is_relative_to(folder)), None)
    return f"{path} lies in {hidden}, which is hidden from it" if hidden else ""


def named_paths(settings: Settings) -> Iterator[Path]:
    """Each file and folder that a configuration names."""
    waiting: list[object] = [settings]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Path):
            yield value
        elif isinstance(value, msgspec.Struct):
            waiting += [getattr(value, name) for name in value.__struct_fields__]
        elif isinstance(value, dict):
            waiting += value.values()


def _templates() -> Path:
    """The folder systemd/: beside the package in a clone, or inside it when it is installed."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "systemd", package / "systemd"):
        if all((folder / name).is_file() for name in PLACES):
            return folder
    raise UnavailableError(f"the files of systemd/ are neither beside nor in {package}: install the package again")


def _inside(path: Path, root: Path) -> Path:
    """The path as the system below `root` will name it."""
    return Path("/") / path.relative_to(root) if path.is_relative_to(root) else path


def _closed(path: Path) -> str:
    """What keeps other users from reading a path; empty if nothing does."""
    for folder in path.parents:
        if not folder.stat().st_mode & stat.S_IXOTH:
            return f"{folder} is closed to other users (chmod o+x would open it)"
    if path.exists() and not path.stat().st_mode & stat.S_IROTH:
        return f"{path} is closed to other users (chmod o+r would open it)"
    return ""


def _quoted(command: list[str]) -> str:
    """A command line as unit files want it. Source: systemd.service(5), COMMAND LINES; systemd.unit(5), SPECIFIERS."""
    escaped = [part.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") for part in command]
    return " ".join(f'"{part}"' if any(map(str.isspace, part)) else part for part in escaped)


def is_root() -> bool:
    """True if this process may change the system."""
    return os.geteuid() == 0
