"""What stands between a client and a broker: it counts and obstructs."""

import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

PUBLISH, PUBACK = 3, 4  # Source: MQTT 5 specification, 2.1.2
MQTT_5 = 5  # Source: MQTT 5 specification, 3.1.2.2, protocol level
REFUSED_VERSION = b"\x20\x02\x00\x01"  # a 3.1.1 CONNACK: unacceptable protocol version


class Proxy:
    """Stands between a client and the broker.

    Attributes:
        blocked: hangs up on whoever connects
        refuse_v5: how it treats MQTT 5: not at all, with the answer of an old broker, or by hanging up
        levels: protocol levels of the CONNECTs that it saw
        most_in_flight: the largest number of unacknowledged PUBLISHes that it saw
    """

    def __init__(self, port: int, *, refuse_v5: str = "", blocked: bool = False, at: int = 0) -> None:
        """Of the broker at `port`; listens `at` another."""
        self.blocked = blocked
        self.refuse_v5 = refuse_v5
        self.levels: list[int] = []
        self.most_in_flight = 0
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", at))
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def idle(self) -> bool:
        """Everything that was said has been passed on: nobody is connected any more."""
        return not any(thread.is_alive() for thread in self._threads[1:])

    def cut(self) -> None:
        """Hang up on all, and on whoever comes, until `blocked` is False again."""
        self.blocked = True
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            self._open.append(client)
            self._start(self._serve, client)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), client:
            _, connect = read_packet(client)
            level = connect[_body_start(connect) + 6]  # after the length and the letters of "MQTT"
            self.levels.append(level)
            if self.blocked:
                return
            if level == MQTT_5 and self.refuse_v5:
                client.sendall(REFUSED_VERSION if self.refuse_v5 == "answer" else b"")
                return
            with socket.create_connection(("127.0.0.1", self._upstream)) as broker:
                self._open.append(broker)
                unacknowledged: Counter[str] = Counter()
                broker.sendall(connect)
                self._start(self._forward, broker, client, unacknowledged)
                self._forward(client, broker, unacknowledged)

    def _forward(self, source: socket.socket, target: socket.socket, counted: Counter[str]) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                kind, packet = read_packet(source)
                if kind == PUBLISH and target.getpeername()[1] == self._upstream and packet[0] & 0b0110:
                    counted["in flight"] += 1
                    self.most_in_flight = max(self.most_in_flight, counted["in flight"])
                elif kind == PUBACK and source.getpeername()[1] == self._upstream:
                    counted["in flight"] -= 1
                target.sendall(packet)
        for sock in (source, target):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5.0)


def read_packet(sock: socket.socket) -> tuple[int, bytes]:
    """(kind, all bytes) of the next MQTT packet; EOFError at the end."""
    packet = _read(sock, 2)
    while packet[-1] & 0x80:
        packet += _read(sock, 1)
    length = sum((byte & 0x7F) << 7 * i for i, byte in enumerate(packet[1:]))
    return packet[0] >> 4, packet + _read(sock, length)


def _body_start(packet: bytes) -> int:
    return 2 + next(i for i, byte in enumerate(packet[1:]) if not byte & 0x80)


def _read(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data
