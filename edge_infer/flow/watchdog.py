"""Who hangs for good is shown, and the process ends: for what no thread of its own can mend."""

import faulthandler
import os
import threading
import time
from contextlib import suppress

from edge_infer.errors import StalledError
from edge_infer.flow import stacks

LOOK_S = 0.5
WITHOUT_GIL_S = 2.0  # on a busy machine the thread that needs the GIL gets it within 0.1 s


class Watchdog:
    """Ends the process with all stacks on stderr, unless it is fed in time.

    Its thread takes the GIL for that, since stacks must hold still while they are read (`stacks`), and ends with the
    exit code of `StalledError`. Where it does not get the GIL within `WITHOUT_GIL_S`, something in C holds it: nothing
    runs then, and a thread in C shows the stacks and ends with 1.
    """

    def __init__(self) -> None:
        self._until = 0.0  # monotonic
        self._asleep = threading.Event()
        self._thread: threading.Thread | None = None

    def feed(self, seconds: float) -> None:
        """All goes on; the next time within so many seconds. From the first time on it watches."""
        self._until = time.monotonic() + seconds
        with suppress(OSError, ValueError, AttributeError):  # stderr is closed, or no file
            faulthandler.dump_traceback_later(seconds + WITHOUT_GIL_S, exit=True)
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """It is no longer needed."""
        faulthandler.cancel_dump_traceback_later()
        self._asleep.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while (left := self._until - time.monotonic()) > 0.0:
            if self._asleep.wait(min(left, LOOK_S)):  # the next meal may be due earlier than the last one was
                return
        stacks.dump_stacks()
        os._exit(StalledError.exit_code)
