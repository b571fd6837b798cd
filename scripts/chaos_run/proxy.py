"""A bad network between clients and a broker: slow, narrow, cut, swallowing, refusing; switched while it runs."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from edge_infer.tools.local_broker import free_port

CHUNK = 4096  # bytes passed on at a time: small enough that a narrow link flows, not gulps
WAITING = 256  # chunks on their way in one direction; beyond, the sender is no longer read from (as TCP does)
RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with 0 s: close sends RST. Source: socket(7)
START_S = 5.0


class ChaosProxy:
    """Passes on what is said between clients and the port `upstream`, as badly as it is told; calm at first.

    The methods may be called from any thread and hold from the next chunk on. Bytes that were swallowed are gone, so
    that such a connection can never work again: when the swallowing ends it is reset.

    Attributes:
        port: where it listens, also after `refuse` and `accept`
        accepted: how many connections it has accepted
    """

    def __init__(self, upstream: int, seed: int = 0) -> None:
        self.accepted = 0
        self.port = free_port()
        self._upstream = upstream
        self._random = random.Random(seed)
        self._delay = self._jitter = 0.0
        self._bytes_per_s: float | None = None
        self._swallowed: frozenset[str] = frozenset()  # "up": what clients say, "down": what the broker says
        self._connections: set[_Connection] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="chaos proxy", daemon=True)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def slow(self, delay_s: float, jitter_s: float = 0.0) -> None:
        """Each chunk takes this long, in each direction; the order is kept."""
        self._delay, self._jitter = delay_s, jitter_s

    def narrow(self, bytes_per_s: float) -> None:
        """No more than this, on each connection and in each direction."""
        self._bytes_per_s = bytes_per_s

    def black_hole(self) -> None:
        """Connections are accepted, and everything that is said is swallowed."""
        self._swallow("up", "down")

    def half_open(self, direction: str) -> None:
        """One direction is swallowed: `up` is what clients say, `down` is what the broker says."""
        self._swallow(direction)

    def drop(self, *, reset: bool = True) -> None:
        """End all connections, by RST or by FIN; what is on its way is lost."""
        self._call(lambda: self._end(self._connections, reset=reset))

    def refuse(self) -> None:
        """Who connects is refused; what is connected stays so."""
        self._call(self._stop_listening)

    def accept(self) -> None:
        """Listen again."""
        self._call(self._listen)

    def calm(self) -> None:
        """A good network again; connections that lost bytes are reset."""
        self._delay = self._jitter = 0.0
        self._bytes_per_s = None
        self._swallowed = frozenset()
        self._call(lambda: self._end((c for c in self._connections if c.torn), reset=True))
        self.accept()

    def delay(self) -> float:
        """Seconds that the next chunk takes."""
        return self._delay + self._random.uniform(0.0, self._jitter)

    def seconds_for(self, size: int) -> float:
        """How long the link is busy with so many bytes."""
        return size / self._bytes_per_s if self._bytes_per_s else 0.0

    def swallows(self, direction: str) -> bool:
        """Whether what goes there is lost now."""
        return direction in self._swallowed

    def _swallow(self, *directions: str) -> None:
        self._swallowed = frozenset(directions)

    def _end(self, connections: Iterable["_Connection"], *, reset: bool) -> None:
        for connection in list(connections):
            connection.end(reset=reset)

    def _call(self, act: Callable[[], object]) -> None:
        """Do it in the proxy's thread, and wait until it is done."""
        done = threading.Event()

        def both() -> None:
            act()
            done.set()

        self._loop.call_soon_threadsafe(both)
        done.wait(START_S)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._listen()
        self._started.set()
        await self._stopped.wait()
        self._stop_listening()
        self._end(self._connections, reset=True)
        while self._connections:
            await asyncio.sleep(0.001)

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._listener.setblocking(False)
            self._accepting = self._loop.create_task(self._accept(self._listener))

    def _stop_listening(self) -> None:
        if self._listener is not None and self._accepting is not None:
            self._accepting.cancel()
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            client = (await self._loop.sock_accept(listener))[0]
            self.accepted += 1
            connection = _Connection(self, client)
            self._connections.add(connection)
            connection.task.add_done_callback(lambda _, done=connection: self._connections.discard(done))  # type: ignore[misc]

    async def to_broker(self) -> socket.socket:
        """A connection to what is behind the proxy."""
        broker = socket.socket()
        broker.setblocking(False)
        try:
            await self._loop.sock_connect(broker, ("127.0.0.1", self._upstream))
        except OSError:
            broker.close()
            raise
        broker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return broker

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(START_S):
            raise TimeoutError("the proxy does not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(START_S)


class _Connection:
    """One client and its way to the broker. `torn`: the directions in which bytes of it were swallowed."""

    def __init__(self, proxy: ChaosProxy, client: socket.socket) -> None:
        self.torn: set[str] = set()
        self._proxy = proxy
        self._client = client
        self._broker: socket.socket | None = None
        self._reset = False
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.task = asyncio.get_running_loop().create_task(self._serve())

    def end(self, *, reset: bool) -> None:
        self._reset = reset
        self.task.cancel()

    async def _serve(self) -> None:
        pumps: list[asyncio.Task[None]] = []
        try:
            self._broker = await self._proxy.to_broker()
            pumps = [
                asyncio.create_task(self._pump(self._client, self._broker, "up")),
                asyncio.create_task(self._pump(self._broker, self._client, "down")),
            ]
            await asyncio.gather(*pumps)
        except OSError:
            self._reset = True
        except asyncio.CancelledError:
            pass
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for sock in (self._client, self._broker):
                self._close(sock)

    def _close(self, sock: socket.socket | None) -> None:
        if sock is None:
            return
        if self._reset:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        sock.close()

    async def _pump(self, source: socket.socket, target: socket.socket, direction: str) -> None:
        """Read and write are two tasks, so that a slow link is not a narrow one too."""
        way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING)
        writing = asyncio.create_task(self._write(way, target))
        loop = asyncio.get_running_loop()
        due = 0.0
        try:
            while not writing.done() and (chunk := await loop.sock_recv(source, CHUNK)):
                if self._proxy.swallows(direction):
                    self.torn.add(direction)
                if direction not in self.torn:
                    due = max(due, loop.time() + self._proxy.delay())
                    await way.put((due, chunk))
            if direction not in self.torn:
                await way.put((due, b""))
                await writing
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self, way: asyncio.Queue[tuple[float, bytes]], target: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, chunk = await way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not chunk:
                target.shutdown(socket.SHUT_WR)
                return
            await asyncio.sleep(self._proxy.seconds_for(len(chunk)))
            await loop.sock_sendall(target, chunk)
