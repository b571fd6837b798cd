"""Starts processes that own accelerators: in milliseconds, forked from one that has imported all they need.

The launcher itself never touches a device, so it never hangs. It and all that it has forked end with us.
"""

import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from edge_infer.errors import DelegateError

START_S = 20.0  # for the imports; measured: 0.2 s on a PC, and an SD card is slow
ANSWER_S = 5.0  # for a fork, or the end of a process
GRACE_S = 1.0  # for a process to give its accelerator back
DEATH_S = 1.0  # beyond this a killed process hangs in the kernel
UNDEAD = "hangs in the kernel, even SIGKILL does not end it"
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15  # Source: linux/prctl.h

# One thread only, or fork would copy locks that others hold; the paths, since ours may have been changed by hand.
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from edge_infer.runtime.isolated.launcher import main
main(int(sys.argv[2]), sys.argv[3])
"""


class _Fork(msgspec.Struct, frozen=True, tag=True):
    """Fork; the channel and the file for stderr come with it."""


class _End(msgspec.Struct, frozen=True, tag=True):
    """Wait `grace_s` for a process to end, then kill it."""

    pid: int
    grace_s: float


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Fork | _End).decode


class Launcher:
    """Our side; any thread may call it."""

    def __init__(self, library: str) -> None:
        """Start the launcher for one runtime library.

        Raises:
            DelegateError: it does not start.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-c", _PROGRAM, json.dumps(sys.path), str(theirs.fileno()), library]
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            with theirs:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env=environment
                )
        except OSError as error:
            ours.close()
            raise DelegateError(f"no process can be started that owns an accelerator: {error}") from error
        self._channel = ours
        self._lock = threading.Lock()
        try:
            self._ask(None, START_S)
        except DelegateError:
            self.close()
            raise

    def fork(self, *files: int) -> int:
        """A new process with these files: its channel, and its stderr; returns its pid.

        Raises:
            DelegateError: the launcher is gone or hangs.
        """
        return int(self._ask(_Fork(), ANSWER_S, files))

    def end(self, pid: int, grace_s: float = 0.0) -> str:
        """End a process; says how it ended, such as "killed by SIGSEGV"."""
        with suppress(DelegateError):
            return self._ask(_End(pid, grace_s), ANSWER_S + grace_s)
        return "ended with its launcher"

    @property
    def alive(self) -> bool:
        """Whether it can still fork."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it and all that it has forked."""
        with self._lock:
            self._channel.close()
            try:
                self._process.wait(GRACE_S + 2 * DEATH_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _ask(self, message: _Fork | _End | None, timeout: float, files: Sequence[int] = ()) -> str:
        with self._lock:
            try:
                self._channel.settimeout(timeout)
                if message is not None:
                    socket.send_fds(self._channel, [_encode(message)], files)
                if answer := self._channel.recv(1024).decode():
                    return answer
                reason = "it has ended"
            except OSError as error:
                reason = str(error)
            self._process.kill()  # whoever needs one starts another
            self._process.wait()
        raise DelegateError(f"the process that starts owners of accelerators does not answer: {reason}")


_launchers: dict[str, Launcher] = {}
_users: dict[str, int] = {}
_lock = threading.Lock()


def launcher_for(library: str) -> Launcher:
    """The launcher for a runtime library; a new one where there is none, or it has died.

    Raises:
        DelegateError: it does not start.
    """
    with _lock:
        found = _launchers.get(library)
        if found is None or not found.alive:
            if found:
                found.close()
            found = _launchers[library] = Launcher(library)
        return found


def close_launchers() -> None:
    """End all; those who need one again start it anew."""
    with _lock:
        while _launchers:
            _launchers.popitem()[1].close()


os.register_at_fork(after_in_child=_launchers.clear)  # they are not a copy's to use


def main(control: int, library: str) -> None:
    """The launcher's own life."""
    from edge_infer.runtime.isolated.owner import serve
    from edge_infer.runtime.libraries import find_library

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # meant for us; the end of the channel ends these
        signal.signal(number, signal.SIG_IGN)
    found = find_library(library)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is an everyday event here, its core fills a card
    _name("ei-launcher")
    channel = socket.socket(fileno=control)
    channel.send(b"ready")
    children: set[int] = set()
    undead: set[int] = set()  # killed, and hanging in the kernel
    while True:
        data, files, _, _ = socket.recv_fds(channel, 1024, 2)
        undead -= {pid for pid in undead if _wait(pid, 0.0) is not None}
        if not data:
            break
        request = _decode(data)
        if isinstance(request, _Fork):
            parent = os.getpid()
            pid = os.fork()
            if pid == 0:
                channel.close()
                _become_owner(parent, files[1])
                serve(socket.socket(fileno=files[0]), found)
            children.add(pid)
            for file in files:
                os.close(file)
            channel.send(str(pid).encode())
        else:
            children.discard(request.pid)
            how = _ended(request.pid, request.grace_s)
            if how is UNDEAD:
                undead.add(request.pid)
            channel.send(how.encode())
    for pid in children:
        _ended(pid, GRACE_S)
    os._exit(0)


def _become_owner(launcher: int, stderr: int) -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != launcher:
        os._exit(0)
    os.dup2(stderr, 2)
    os.close(stderr)
    _name("ei-accelerator")


def _name(name: str) -> None:
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode())


def _ended(pid: int, grace_s: float) -> str:
    """Wait for the end of a child, kill it after a while; says how it ended."""
    status = _wait(pid, grace_s)
    if status is None:
        os.kill(pid, signal.SIGKILL)
        status = _wait(pid, DEATH_S)
    if status is None:
        return UNDEAD
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with exit code {os.WEXITSTATUS(status)}"


def _wait(pid: int, timeout: float) -> int | None:
    """The wait status of a child, None while it lives after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.001)
