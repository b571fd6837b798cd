"""Where every thread is, on stderr: for who must find out why something hangs."""

import faulthandler
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from edge_infer.errors import StalledError


@contextmanager
def shown_on_signals() -> Iterator[None]:
    """In the block SIGUSR1 shows all stacks and the process goes on, even where its main thread hangs in C.

    SIGQUIT, which systemd's watchdog sends, shows them, too, and the process ends as one that has stalled.

    A thread of its own does that: faulthandler's handler for signals reads the other threads' frames while they run
    (measured, CPython 3.11: it crashes a busy daemon in one of 90 dumps). It is left for who dies anyway, by SIGSEGV,
    SIGBUS, SIGFPE, SIGILL or SIGABRT, since those have no time for more.
    """
    with suppress(OSError, ValueError, AttributeError):  # stderr is closed, or no file
        faulthandler.enable(all_threads=True)
    told, tell = socket.socketpair()
    tell.setblocking(False)
    thread = threading.Thread(target=_dump_each, args=(told,), name="stacks", daemon=True)
    thread.start()
    signal.signal(signal.SIGUSR1, lambda _number, _frame: None)  # for good: one that comes late must not kill
    before = signal.signal(signal.SIGQUIT, lambda _number, _frame: None)
    signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)  # it is told of each signal before Python is
    try:
        yield
    finally:
        signal.signal(signal.SIGQUIT, before)
        signal.set_wakeup_fd(-1)
        tell.close()
        thread.join(1.0)
        told.close()


def _dump_each(told: socket.socket) -> None:
    while numbers := told.recv(64):
        if signal.SIGUSR1 in numbers or signal.SIGQUIT in numbers:
            dump_stacks()
        if signal.SIGQUIT in numbers:
            os._exit(StalledError.exit_code)


def dump_stacks() -> None:
    """Show the stack of each thread under its name."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stacks = [
        f"Thread {names.get(ident, ident)}, most recent call last:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()  # noqa: SLF001 - the documented way
    ]
    with suppress(OSError):
        os.write(2, "\n".join(stacks).encode(errors="replace"))
