"""The socket of a daemon: who connects is sent one document, and then the end.

A folder has one `status.sock`. It belongs to the daemon that holds the lock of the folder, so that what a killed one
left behind is replaced; a second daemon on the same folder takes `status-<pid>.sock`.
"""

import fcntl
import fnmatch
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_infer.errors import StalledError, UnavailableError

log = logging.getLogger(__name__)

NAME = "status.sock"
PATTERN = "status*.sock"
TURN_S = 1.0  # how soon a stop is noticed where the kernel does not tell
SEND_S = 0.5  # a document fits into the socket's buffer, so this only ends who reads too slowly a very large one
BUFFER_BYTES = 1_000_000  # the kernel takes as much of it as net.core.wmem_max allows
MAX_BYTES = 16_000_000  # nobody's document is longer: what is would fill our memory


class StatusSocket:
    """Answers in a thread of its own with what `document` returns, whatever else hangs."""

    def __init__(self, folder: Path, document: Callable[[], bytes], *, public: bool = False) -> None:
        """Take the socket's place in a folder; `public`: every user of this machine may ask.

        Raises:
            OSError: the folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._name = NAME
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _clear(self._folder)
        except BlockingIOError:
            self._name = f"status-{os.getpid()}.sock"
            log.warning("another daemon uses this folder, too", extra={"folder": str(folder), "socket": self._name})
        self.path = folder / self._name
        self._document = document
        self._stopping = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(_short(self._folder, self._name))
            if public:
                self.path.chmod(0o666)
            self._socket.listen()
        except OSError:
            self._socket.close()
            os.close(self._folder)
            raise
        self._socket.settimeout(TURN_S)
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answer no more; a thread that hangs is left behind."""
        self._stopping.set()
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
            visitor.setblocking(False)
            visitor.connect(_short(self._folder, self._name))  # so that `accept` returns; a shutdown does not do that
        self._thread.join(SEND_S + 1.0)

    def _run(self) -> None:
        self._serve()
        self._socket.close()
        with suppress(OSError):
            os.unlink(self._name, dir_fd=self._folder)  # which takes long on a disk that hangs
        os.close(self._folder)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                asking, _ = self._socket.accept()
            except TimeoutError:
                continue
            except OSError as error:  # too many open files: it may be over later
                if self._stopping.is_set():
                    return
                log.warning("the status socket cannot answer: %s", error)
                self._stopping.wait(1.0)
                continue
            with asking:
                self._answer(asking)

    def _answer(self, asking: socket.socket) -> None:
        try:
            document = self._document()
        except Exception:
            log.exception("the status cannot be told")
            return
        with suppress(OSError):  # whoever asked has gone, or reads too slowly
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            asking.settimeout(SEND_S)
            asking.sendall(document)


def ask(path: Path, timeout: float) -> bytes | None:
    """The document of the daemon behind a socket; None where there is none any more.

    Raises:
        UnavailableError: we may not ask.
        StalledError: no answer came in `timeout` seconds: the whole process hangs.
    """
    try:
        with _folder(path.parent) as folder, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(timeout)
            asking.connect(_short(folder, path.name))
            document = b"".join(_parts(asking))
    except TimeoutError:
        raise StalledError(
            f"a daemon holds {path} and gave no answer for {timeout:g} s: kill -USR1 shows where it hangs"
        ) from None
    except (ConnectionRefusedError, FileNotFoundError):
        return None
    except OSError as error:
        raise UnavailableError(f"cannot ask at {path}: {error.strerror}") from error
    if not document:
        raise StalledError(f"the daemon behind {path} has no answer: its log says why")
    return document


def _parts(asking: socket.socket) -> Iterator[bytes]:
    size = 0
    while part := asking.recv(65536):
        size += len(part)
        if size > MAX_BYTES:
            raise OSError(0, f"it says more than {MAX_BYTES} bytes")
        yield part


def _clear(folder: int) -> None:
    """Remove the sockets that killed daemons have left behind."""
    for name in fnmatch.filter(os.listdir(folder), PATTERN):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.setblocking(False)
            try:
                asking.connect(_short(folder, name))
            except ConnectionRefusedError:
                os.unlink(name, dir_fd=folder)
            except OSError:  # somebody is there, and busy, or another user's
                continue


@contextmanager
def _folder(path: Path) -> Iterator[int]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield folder
    finally:
        os.close(folder)


def _short(folder: int, name: str) -> str:
    """A socket's name, however long its folder's is: unix(7) allows 108 bytes."""
    return f"/proc/self/fd/{folder}/{name}"
