"""The broker that demonstrations and measurements start for themselves."""

import socket
from pathlib import Path

import pytest
from broker import Subscriber
from waiting import until

from edge_infer.errors import UnavailableError
from edge_infer.tools import local_broker as module
from edge_infer.tools.local_broker import free_port, local_broker


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def test_it_takes_messages_until_the_block_ends() -> None:
    with local_broker() as url, Subscriber(port_of(url)) as subscriber:
        subscriber.send("a/b", b"hello")
        until(lambda: subscriber.on("a/b"), what="the message")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(url)), timeout=1.0)


@pytest.mark.skipif(module.find_mosquitto() is None, reason="needs mosquitto: apt install mosquitto")
def test_many_clients_do_not_fill_a_pipe_that_nobody_reads() -> None:
    with local_broker() as url:
        for _ in range(700):
            socket.create_connection(("127.0.0.1", port_of(url)), timeout=5.0).close()
        with Subscriber(port_of(url)) as subscriber:
            assert subscriber.subscriptions == 1


def test_iotcore_serves_where_mosquitto_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("iotcore")
    monkeypatch.setattr(module, "find_mosquitto", lambda: None)
    with local_broker() as url, Subscriber(port_of(url)) as subscriber:
        subscriber.send("a/b", b"hello")
        until(lambda: subscriber.on("a/b"), what="the message")


def test_a_broker_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_command", lambda _folder, _port: ["sh", "-c", "echo no luck >&2; exit 3"])
    with pytest.raises(UnavailableError, match="the broker does not start: no luck"), local_broker():
        pytest.fail("it is no broker")


def test_where_no_broker_is_installed_we_are_told_which_there_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "find_mosquitto", lambda: None)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(UnavailableError, match="apt install mosquitto"):
        module._command(tmp_path, 1)


def test_a_free_port_is_none_that_another_has(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        other = free_port()
        draws = iter([port - 16384, port - 16384, other - 16384])
        monkeypatch.setattr(module.secrets, "randbelow", lambda _count: next(draws))
        assert free_port() == other
