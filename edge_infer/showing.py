"""What pipelines see and say, in a browser: a page of this process, for this machine alone unless asked otherwise."""

import html
import secrets
import threading
import time
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6
from typing import Any
from urllib.parse import quote, unquote

from edge_infer.draw import VIDEO_QUALITY, draw, encode_jpeg
from edge_infer.errors import UnavailableError
from edge_infer.flow.priority import give_way
from edge_infer.types import Frame, Result

LOOPBACK = "127.0.0.1"
MAX_VIEWERS = 8  # pictures that are looked at; each has a thread
MOST_FPS = 25.0  # more than eyes need would only cost the model time
PATIENCE_S = 10.0  # with a browser that does not take what it asked for, and of one with a picture that does not come
BOUNDARY = "picture"

PAGE = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>edge_infer</title><style>body{{margin:1em;font-family:sans-serif;background:#222;color:#eee}}
img{{max-width:100%;min-width:20em;min-height:2em;background:#444}}figure{{margin:0 0 1em}}</style>{figures}"""
FIGURE = '<figure><figcaption>{name}</figcaption><img src="{path}.mjpg" alt="no picture"></figure>'

Shown = tuple[Frame, Result]


class Showing:
    """Call it with each frame and its result, from any thread: it never waits. The newest picture wins.

    Pictures are drawn by the threads of those who look at them; where nobody looks, nothing is drawn. The address holds
    a secret, so that neither another user of this machine nor a page in a browser can look who was not told.

    Attributes:
        url: where to look
    """

    def __init__(self, pipelines: Iterable[str], host: str = LOOPBACK, port: int = 0) -> None:
        """Open the page; port 0 is any that is free.

        Raises:
            UnavailableError: the address cannot be used.
        """
        self.closed = False
        self._newest: dict[str, Shown | None] = dict.fromkeys(pipelines)
        self._changed = threading.Condition()
        self._drawn: dict[str, tuple[Shown, bytes]] = {}
        self._drawing = threading.Lock()
        self.viewers = threading.BoundedSemaphore(MAX_VIEWERS)
        path = f"/{secrets.token_urlsafe(9)}/"
        server = _Server6 if ":" in host else _Server
        try:
            self._server = server((host, port), partial(_Handler, self, path))
        except OSError as error:
            raise UnavailableError(f"cannot show pictures at {host}, port {port}: {error.strerror}") from error
        shown_host = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown_host}:{self._server.server_address[1]}{path}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="show", daemon=True)
        self._thread.start()

    def __call__(self, pipeline: str, frame: Frame, result: Result) -> None:
        """Show this frame from now on."""
        with self._changed:
            self._newest[pipeline] = (frame, result)
            self._changed.notify_all()

    def close(self) -> None:
        """Close the page; who looks is hung up on."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE_S)

    def page(self) -> bytes:
        """All pipelines, one below the other."""
        names = [(html.escape(name), quote(name, safe="")) for name in list(self._newest)]
        return PAGE.format(figures="".join(FIGURE.format(name=name, path=path) for name, path in names)).encode()

    def knows(self, pipeline: str) -> bool:
        """True for a pipeline that there is."""
        return pipeline in self._newest

    def after(self, pipeline: str, last: Shown | None, timeout: float = PATIENCE_S) -> Shown | None:
        """What is newer than `last`; None if nothing came in `timeout` seconds, or it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self._newest.get(pipeline) is not last, timeout)
            newest = self._newest.get(pipeline)
        return None if self.closed or newest is last else newest

    def jpeg(self, pipeline: str, shown: Shown) -> bytes:
        """The drawn picture; of several who look, one draws it."""
        with self._drawing:
            if pipeline not in self._drawn or self._drawn[pipeline][0] is not shown:
                self._drawn[pipeline] = (shown, encode_jpeg(draw(shown[0].data, shown[1]), VIDEO_QUALITY))
            return self._drawn[pipeline][1]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who looked has left: that is no error."""


class _Server6(_Server):
    address_family = AF_INET6


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE_S
    server_version = "edge_infer"
    sys_version = ""

    def __init__(self, showing: Showing, path: str, *arguments: Any) -> None:
        self._showing = showing
        self._path = path
        super().__init__(*arguments)

    def do_GET(self) -> None:
        asked = self.path.split("?")[0]
        name, _, kind = asked.removeprefix(self._path).rpartition(".")
        pipeline = unquote(name)
        if asked == self._path:
            self._send("text/html; charset=utf-8", self._showing.page())
        elif not asked.startswith(self._path) or kind not in ("jpg", "mjpg") or not self._showing.knows(pipeline):
            self.send_error(HTTPStatus.NOT_FOUND)
        elif not self._showing.viewers.acquire(blocking=False):
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_VIEWERS} are looking already")
        else:
            try:
                self._one(pipeline) if kind == "jpg" else self._all(pipeline)
            finally:
                self._showing.viewers.release()

    def _one(self, pipeline: str) -> None:
        shown = self._showing.after(pipeline, None)
        if shown is None:
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, "no picture came")
        else:
            self._send("image/jpeg", self._showing.jpeg(pipeline, shown))

    def _all(self, pipeline: str) -> None:
        """One picture after the other, for ever; what came meanwhile is left out."""
        give_way()
        self._begin(f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        last: Shown | None = None
        while not self._showing.closed:
            began = time.monotonic()
            shown = self._showing.after(pipeline, last)
            if shown is None:
                continue
            last = shown
            jpeg = self._showing.jpeg(pipeline, shown)
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")
            time.sleep(max(0.0, began + 1 / MOST_FPS - time.monotonic()))

    def _send(self, kind: str, content: bytes) -> None:
        self._begin(kind, len(content))
        self.wfile.write(content)

    def _begin(self, kind: str, length: int | None = None) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as http.server calls it
        """Nothing: who looks is no event."""
