"""The bad network: each of its faults, as a client sees it."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from chaos_run.proxy import ChaosProxy
from waiting import until

from edge_infer.tools.local_broker import free_port


class Echo:
    """A server that says again what it hears; `heard` is all of it."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.ends: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                thread = threading.Thread(target=self._serve, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                while said := client.recv(65536):
                    self.heard += said
                    client.sendall(said)
                self.ends.append("FIN")
            except ConnectionResetError:
                self.ends.append("RST")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10.0)
            assert not thread.is_alive()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[ChaosProxy]:
    with ChaosProxy(echo.port) as proxy:
        yield proxy
    assert not [thread for thread in threading.enumerate() if thread.name == "chaos proxy"]


@pytest.fixture
def connect(proxy: ChaosProxy) -> Iterator[Callable[[], socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=10.0))


Connect = Callable[[], socket.socket]


def ask(client: socket.socket, said: bytes = b"hello") -> bytes:
    client.sendall(said)
    heard = b""
    while len(heard) < len(said):
        more = client.recv(65536)
        if not more:
            break
        heard += more
    return heard


def nothing_comes(client: socket.socket) -> bool:
    client.settimeout(0.2)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(10.0)
    return False


def test_a_calm_network_changes_nothing(connect: Connect) -> None:
    megabyte = bytes(range(256)) * 4096
    client = connect()
    receiving = threading.Thread(target=client.sendall, args=(megabyte,))
    receiving.start()
    heard = bytearray()
    while len(heard) < len(megabyte):
        heard += client.recv(65536)
    receiving.join(10.0)
    assert bytes(heard) == megabyte


def test_a_goodbye_goes_through_after_all_that_was_said_before(connect: Connect, echo: Echo, proxy: ChaosProxy) -> None:
    proxy.slow(0.05)
    client = connect()
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    assert client.recv(100) == b"last words"
    assert client.recv(100) == b""
    assert echo.ends == ["FIN"]
    until(lambda: proxy.open == 0, what="the proxy forgets the connection")


def test_a_slow_network_delays_each_way_but_keeps_the_order(connect: Connect, proxy: ChaosProxy) -> None:
    proxy.slow(0.05, jitter_s=0.05)
    client = connect()
    started = time.monotonic()
    assert ask(client, bytes(range(200))) == bytes(range(200))
    assert time.monotonic() - started >= 0.1  # less than the delay is a fault, more is a busy machine


def test_a_slow_network_is_not_narrow(connect: Connect, proxy: ChaosProxy) -> None:
    proxy.slow(0.2)
    client = connect()
    started = time.monotonic()
    assert ask(client, bytes(40 * 4096)) == bytes(40 * 4096)
    assert time.monotonic() - started < 40 * 0.2, "each chunk waited for the one before it"


def test_a_narrow_network_takes_its_time_for_many_bytes(connect: Connect, proxy: ChaosProxy) -> None:
    proxy.narrow(100_000)
    client = connect()
    started = time.monotonic()
    assert len(ask(client, bytes(20_000))) == 20_000
    assert time.monotonic() - started >= 0.2


def test_connections_are_dropped_by_rst(connect: Connect, proxy: ChaosProxy, echo: Echo) -> None:
    client = connect()
    assert ask(client) == b"hello"
    proxy.drop()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    until(lambda: echo.ends == ["RST"], what="the server sees the reset")
    assert ask(connect()) == b"hello", "who connects anew is served"


def test_connections_are_dropped_by_fin(connect: Connect, proxy: ChaosProxy, echo: Echo) -> None:
    client = connect()
    assert ask(client) == b"hello"
    proxy.drop(reset=False)
    assert client.recv(1) == b""
    until(lambda: echo.ends == ["FIN"], what="the server sees the end")


def test_a_black_hole_accepts_and_swallows_both_ways(connect: Connect, proxy: ChaosProxy, echo: Echo) -> None:
    before = connect()
    assert ask(before) == b"hello"
    proxy.black_hole()
    after = connect()
    for client in (before, after):
        client.sendall(b"into the hole")
        assert nothing_comes(client)
    assert echo.heard == b"hello"


@pytest.mark.parametrize(("direction", "heard"), [("up", b""), ("down", b"hello")])
def test_a_half_open_network_swallows_one_direction(
    connect: Connect, proxy: ChaosProxy, echo: Echo, direction: str, heard: bytes
) -> None:
    proxy.half_open(direction)
    client = connect()
    client.sendall(b"hello")
    assert nothing_comes(client)
    assert bytes(echo.heard) == heard


def test_what_lost_bytes_is_reset_when_it_is_calm_again_and_the_rest_goes_on(
    connect: Connect, proxy: ChaosProxy
) -> None:
    silent, torn = connect(), connect()
    assert ask(silent) == ask(torn) == b"hello"
    proxy.black_hole()
    torn.sendall(b"lost")
    assert nothing_comes(torn)
    proxy.calm()
    with pytest.raises(ConnectionResetError):
        torn.recv(1)
    assert ask(silent) == b"hello"


def test_who_connects_is_refused_until_it_accepts_again(connect: Connect, proxy: ChaosProxy) -> None:
    before = connect()
    assert ask(before) == b"hello"
    port = proxy.port
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect()
    assert ask(before) == b"hello", "what is connected stays so"
    proxy.accept()
    assert (proxy.port, ask(connect())) == (port, b"hello")


def test_without_a_server_behind_it_a_client_is_reset() -> None:
    with (
        ChaosProxy(free_port()) as proxy,
        pytest.raises(ConnectionResetError),  # at once or when it reads
        socket.create_connection(("127.0.0.1", proxy.port), timeout=10.0) as client,
    ):
        client.recv(1)


def test_calm_ends_every_fault(connect: Connect, proxy: ChaosProxy) -> None:
    proxy.slow(30.0)
    proxy.narrow(1.0)
    proxy.black_hole()
    proxy.refuse()
    proxy.calm()
    assert ask(connect()) == b"hello"
    assert proxy.open == 1
