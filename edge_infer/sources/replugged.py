"""Where a camera is that was opened by its number: that may change when it is plugged in anew, its port does not."""

import logging
import re
from pathlib import Path
from typing import TypeAlias

from edge_infer.errors import SourceError
from edge_infer.sources.devices import entries

log = logging.getLogger(__name__)

Port: TypeAlias = tuple[str, ...]  # what the kernel says of a node but its number: see _port_of

_ports: dict[str, Port] = {}  # by /dev/videoN: where the camera was when it was last opened so


def is_number(path: str) -> bool:
    """True for /dev/videoN, which is whatever camera was plugged in as the N-th."""
    return re.fullmatch(r"/dev/video\d+", path, re.ASCII) is not None


def remember(path: str, found: str, root: Path = Path("/")) -> None:
    """The camera that was asked for as `path` was found at `found`."""
    port = _port_of(found, root)
    if is_number(path) and port:
        _ports[path] = port


def find(path: str, root: Path = Path("/")) -> str:
    """Where the camera is that was opened as `path` before; `path` itself if none was, or if it has left its port.

    Asks the kernel, not udev, whose links are late.

    Raises:
        SourceError: that number is now another camera's, which is used under its own.
    """
    port = _ports.get(path)
    if port is None or _port_of(path, root) == port:
        return path
    for node in entries(root / "sys/class/video4linux", "video*"):
        if _port_of(node.name, root) == port:
            facts = {"camera": path, "now": f"/dev/{node.name}"}
            log.warning("a camera has another number now: name it by its path in /dev/v4l", extra=facts)
            return f"/dev/{node.name}"
    for other, taken in _ports.items():
        if _port_of(path, root) == taken:
            raise SourceError(f"camera {path} is unplugged: what has its number now is the camera that was {other}")
    return path


def _port_of(node: str, root: Path) -> Port | None:
    """Its port, which of the port's nodes it is, and its name; None if there is none."""
    entry = root / "sys/class/video4linux" / Path(node).name
    try:
        return str((entry / "device").resolve(strict=True)), (entry / "index").read_text(), (entry / "name").read_text()
    except OSError:
        return None
