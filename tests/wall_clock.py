"""A wall clock that jumps under a process, while its monotonic clock goes on as it should."""

import time
from pathlib import Path

import pytest

LIBRARIES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")


class WallClock:
    """What a process started with `environment` reads as the time of day; right at first. Needs libfaketime.

    time.sleep fails in such a process (EINVAL, Python 3.11), waiting for events and sockets does not.
    """

    def __init__(self, folder: Path) -> None:
        found = [path for pattern in LIBRARIES for path in Path("/").glob(pattern[1:])]
        if not found:
            pytest.skip("needs libfaketime: apt install faketime")
        self._file = folder / "faketime"
        self.jump(0.0)
        self.environment = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, seconds: float) -> None:
        """So far from the true time, from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+.0f}s\n")
        new.replace(self._file)

    def jump_to_1970(self) -> None:
        """As a machine without a battery boots."""
        self.jump(60.0 - time.time())
