"""An HTTP server on this machine that gives files, in whatever way it is told to."""

import gzip
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ModelServer:
    """`script` is what it does with the next requests, then it behaves; `asked` are the headers of all requests.

    What it can do: see the methods `_do_*` of the handler; a number is answered as the status.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.script: list[str] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.etag: str | None = '"1"'
        self.given = threading.Event()  # some of a body has left
        self.release = threading.Event()  # lets a stalled answer end
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def ranges(self) -> list[str | None]:
        """What part each request wanted; None: all."""
        return [headers.get("range") for _, headers in self.asked]

    @contextmanager
    def running(self) -> Iterator["ModelServer"]:
        self._thread.start()
        try:
            yield self
        finally:
            self.release.set()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    owner: ModelServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Be quiet."""

    def handle(self) -> None:
        with suppress(ConnectionError, ValueError):  # the client has left
            super().handle()

    def do_GET(self) -> None:
        self.owner.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        act = self.owner.script.pop(0) if self.owner.script else "behave"
        content = self.owner.files.get(self.path.rpartition("/")[2].partition("?")[0])
        if act.isdecimal() or content is None:
            self._answer(int(act) if act.isdecimal() else 404, b"<html>no</html>")
            return
        steps: Callable[[bytes], None] = getattr(self, f"do_{act.replace(' ', '_').partition(':')[0]}")
        self.argument = act.partition(":")[2]
        steps(content)

    def do_behave(self, content: bytes) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if wanted and condition in (None, self.owner.etag):
            begin = int(wanted[1])
            if begin >= len(content):
                self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            place = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            self._answer(206, content[begin:], {"Content-Range": place})
        else:
            self._answer(200, content)

    def do_truncate(self, content: bytes) -> None:
        self._answer(200, content[: len(content) // 2], length=len(content))
        self.close_connection = True

    def do_reset(self, content: bytes) -> None:
        self._answer(200, content[: len(content) // 2], length=len(content))
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST instead of FIN
        self.close_connection = True

    def do_stall(self, content: bytes) -> None:
        self._answer(200, content[: len(content) // 2], length=len(content))
        self.owner.given.set()
        self.owner.release.wait(60)
        self.close_connection = True

    def do_ignore_the_range(self, content: bytes) -> None:
        self._answer(200, content)

    def do_give_another_range(self, content: bytes) -> None:
        self._answer(206, content, {"Content-Range": f"bytes 0-{len(content) - 1}/{len(content)}"})

    def do_continue_another_file(self, content: bytes) -> None:
        begin = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        other = bytes(len(content))
        self._answer(206, other[begin:], {"Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"})

    def do_give_less(self, content: bytes) -> None:
        self._answer(200, content[:-1])

    def do_give_something_else(self, content: bytes) -> None:
        self._answer(200, bytes(len(content)))

    def do_never_end(self, content: bytes) -> None:
        self._answer(200, b"", length=None)
        while True:
            self.wfile.write(bytes(1 << 16))

    def do_pack(self, content: bytes) -> None:
        self._answer(200, gzip.compress(content), {"Content-Encoding": "gzip"})

    def do_pack_half(self, content: bytes) -> None:
        packed = gzip.compress(content)
        self._answer(200, packed[: len(packed) // 2], {"Content-Encoding": "gzip"})

    def do_pack_badly(self, content: bytes) -> None:
        self._answer(200, content, {"Content-Encoding": "gzip"})

    def do_redirect(self, content: bytes) -> None:
        self._answer(302, b"", {"Location": self.argument})

    def do_redirect_in_a_circle(self, content: bytes) -> None:
        self.owner.script.append("redirect in a circle")
        self._answer(302, b"", {"Location": self.path})

    def do_hang_up(self, content: bytes) -> None:
        self.close_connection = True

    def do_babble(self, content: bytes) -> None:
        self.wfile.write(b"220 this is another protocol\r\n")
        self.close_connection = True

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None, length: int | None = -1) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(len(body) if length == -1 else length))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        if self.owner.etag:
            self.send_header("ETag", self.owner.etag)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
