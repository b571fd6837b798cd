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


@contextmanager
def shown_on_signals() -> Iterator[None]:
    """In the block SIGUSR1 shows all stacks and the process goes on, even where its main thread hangs in C.

    A thread of its own does that: faulthandler's handler for signals reads the other threads' frames while they run
    (measured, CPython 3.11: it crashes a busy daemon in one of 90 dumps). Where the process dies anyway, by SIGSEGV,
    SIGBUS, SIGFPE, SIGILL, or SIGABRT (which systemd's watchdog sends), it shows them, too.
    """
    with suppress(OSError, ValueError, AttributeError):  # stderr is closed, or no file
        faulthandler.enable(all_threads=True)
    told, tell = socket.socketpair()
    tell.setblocking(False)
    thread = threading.Thread(target=_dump_each, args=(told,), name="stacks", daemon=True)
    thread.start()
    signal.signal(signal.SIGUSR1, lambda _number, _frame: None)  # for good: one that comes late must not kill
    signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)  # it is told of each signal before Python is
    try:
        yield
    finally:
        signal.set_wakeup_fd(-1)
        tell.close()
        thread.join(1.0)
        told.close()


def _dump_each(told: socket.socket) -> None:
    while numbers := told.recv(64):
        if signal.SIGUSR1 in numbers:
            dump_stacks()


def dump_stacks() -> None:
    """Show the stack of each thread under its name."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stacks = [
        f"Thread {names.get(ident, ident)}, most recent call last:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()  # noqa: SLF001 - the documented way
    ]
    with suppress(OSError):
        os.write(2, "\n".join(stacks).encode(errors="replace"))


def end_unless_called_again(seconds: float) -> None:
    """Show all stacks and end the process with exit code 1, unless this is called again within so many seconds.

    A thread in C watches, which needs no GIL: whatever holds that is found, too.
    """
    with suppress(OSError, ValueError, AttributeError):
        faulthandler.dump_traceback_later(seconds, exit=True)


def live_on() -> None:
    """What `end_unless_called_again` asked for is no longer wanted."""
    faulthandler.cancel_dump_traceback_later()
