"""Small files of /proc, /sys and /etc, which may be absent, forbidden or garbled on a broken machine."""

import os
from contextlib import suppress
from pathlib import Path

MOST_BYTES = 1_000_000  # nothing that is read here is longer


def text(path: Path) -> str:
    """What stands in a file; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode(errors="replace").strip("\0 \n\t")
    except OSError:
        return ""


def number(path: Path) -> int | None:
    """The whole number in a file; None where there is none."""
    found = text(path)
    return int(found) if found.lstrip("-").isdecimal() else None


def pairs(path: Path, separator: str = ":") -> dict[str, str]:
    """`key: value` lines, the first of each key."""
    found: dict[str, str] = {}
    for line in text(path).splitlines():
        key, separates, value = line.partition(separator)
        if separates:
            found.setdefault(key.strip(), value.strip())
    return found


def users_of(path: Path, root: Path = Path("/")) -> list[str]:
    """Name and pid of each process but us that has a file or device open; only root sees those of other users."""
    target = os.path.realpath(path)
    found = []
    for process in sorted(root.glob("proc/[0-9]*")):
        with suppress(OSError):  # it has ended, or is not ours
            if int(process.name) != os.getpid() and any(
                os.readlink(handle) == target  # noqa: PTH115 - no Path objects for links that are only compared
                for handle in (process / "fd").iterdir()
            ):
                found.append(f"{text(process / 'comm')} ({process.name})")
    return found
