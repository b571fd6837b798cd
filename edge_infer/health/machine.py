"""The machine around this process, as the kernel counts it; None where psutil is not there or cannot read it.

It is loaded by the thread that looks: the first result need not wait for it. There is no wheel of it for 32-bit ARM.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edge_infer.wire.machine import NetworkHealth

FIRST_S = 0.1  # over which the first value of the processor is taken
MAX_INTERFACES = 16  # a machine with more of them runs containers, whose interfaces come and go
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of the processor since the last look, of memory, and of the processes that this one has started."""

    cpu_percent: float | None
    memory_bytes: int | None
    memory_available_bytes: int | None
    children: int | None
    children_rss_bytes: int | None
    network: dict[str, NetworkHealth]


class Meter:
    """Looks at the machine; for one thread."""

    def __init__(self) -> None:
        self._looked = False

    def look(self) -> Usage:
        """What is used; the first time it waits for FIRST_S."""
        try:
            import psutil
        except ImportError:
            return Usage(None, None, None, None, None, {})
        memory = _read(psutil.virtual_memory)
        children = _read(_children)
        interval, self._looked = None if self._looked else FIRST_S, True
        return Usage(
            cpu_percent=_read(lambda: psutil.cpu_percent(interval)),
            memory_bytes=memory.total if memory else None,
            memory_available_bytes=memory.available if memory else None,
            children=children[0] if children else None,
            children_rss_bytes=children[1] if children else None,
            network=_read(_network) or {},
        )


def _read(probe: Callable[[], T]) -> T | None:
    import psutil

    with suppress(OSError, psutil.Error, ValueError, IndexError):  # psutil on a kernel that it does not know
        return probe()
    return None


def _children() -> tuple[int, int]:
    import psutil

    count = rss_bytes = 0
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended meanwhile
            rss_bytes += child.memory_info().rss
            count += 1
    return count, rss_bytes


def _network() -> dict[str, NetworkHealth]:
    import psutil

    found = {
        name: NetworkHealth(
            rx_bytes=nic.bytes_recv,
            tx_bytes=nic.bytes_sent,
            rx_errors=nic.errin,
            tx_errors=nic.errout,
            rx_dropped=nic.dropin,
            tx_dropped=nic.dropout,
        )
        for name, nic in psutil.net_io_counters(pernic=True).items()
        if name != "lo" and not name.startswith("veth") and (nic.bytes_recv or nic.bytes_sent)
    }
    return dict(sorted(found.items())[:MAX_INTERFACES])


def disk(folder: Path) -> tuple[int, int] | None:
    """(size, free for us) in bytes of the file system that holds a folder."""
    with suppress(OSError):
        found = os.statvfs(next(place for place in (folder, *folder.absolute().parents) if place.exists()))
        return found.f_frsize * found.f_blocks, found.f_frsize * found.f_bavail
    return None
