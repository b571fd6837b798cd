"""What a native library writes to stderr while it loads a model, caught instead of shown."""

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
_one_at_a_time = threading.Lock()
# How the runtimes begin their lines: TFLite's minimal logger, and abseil's "W0000 00:00:1700000000.0 12 file.cc:1]".
_THEIRS = re.compile(r"^(INFO|WARNING|ERROR|VERBOSE): |^[IWEF]\d{4} \d\d:\d\d:|^Error in cpuinfo")


@contextmanager
def caught_stderr() -> Iterator[list[str]]:
    """Collects the runtime's own lines; lines that others write meanwhile go to stderr afterwards."""
    lines: list[str] = []
    with _one_at_a_time, tempfile.TemporaryFile() as file:
        sys.stderr.flush()
        saved = os.dup(_STDERR)
        os.dup2(file.fileno(), _STDERR)
        try:
            yield lines
        finally:
            os.dup2(saved, _STDERR)
            os.close(saved)
            file.seek(0)
            for line in file.read().decode(errors="replace").splitlines():
                if _THEIRS.match(line):
                    lines.append(line)
                else:
                    os.write(_STDERR, f"{line}\n".encode())
