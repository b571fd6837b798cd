"""What systemd hears, on a real socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import until

from edge_infer.health.sd_notify import ServiceManager


class Systemd:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": address, "PATH": "/bin"}

    def hears(self) -> list[str]:
        """The lines that came since it was asked before; times are left out."""
        lines = []
        while True:
            try:
                lines += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return [line.split("=")[0] if line.startswith("MONOTONIC_USEC") else line for line in lines]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["a path", "an abstract one"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    found = Systemd(str(tmp_path / "notify") if request.param == "a path" else f"@edge-infer-test-{os.getpid()}")
    yield found
    found.close()


def test_ready_is_said_once_and_a_status_where_it_changes(systemd: Systemd) -> None:
    manager = ServiceManager(systemd.environment)
    manager.starting()
    manager.starting()
    manager.ready()
    manager.ready()
    manager.starting()
    for line in ("1 pipeline", "1 pipeline", "2 pipelines"):
        manager.status(line)
    assert systemd.hears() == ["EXTEND_TIMEOUT_USEC=10000000", "READY=1", "STATUS=1 pipeline", "STATUS=2 pipelines"]
    manager.close()


def test_children_do_not_inherit_the_socket_or_the_watchdog(systemd: Systemd) -> None:
    environment = systemd.environment | {"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())}
    ServiceManager(environment).close()
    assert environment == {"PATH": "/bin"}


def test_the_watchdog_is_fed_twice_in_its_time(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("edge_infer.health.sd_notify.time.monotonic", lambda: now)
    manager = ServiceManager(systemd.environment | {"WATCHDOG_USEC": "10000000"})
    for _ in range(80):
        manager.feed_watchdog()
        now += 0.25
    assert systemd.hears() == ["WATCHDOG=1"] * 4
    manager.close()


def test_it_knows_how_long_the_watchdog_waits(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("edge_infer.health.sd_notify.time.monotonic", lambda: now)
    manager = ServiceManager(systemd.environment | {"WATCHDOG_USEC": "10000000"})
    assert manager.feed_watchdog() == 10.0
    now += 4.0
    assert manager.feed_watchdog() == 6.0
    now += 1.0
    assert manager.feed_watchdog() == 10.0
    manager.close()
    manager = ServiceManager(systemd.environment)
    assert manager.feed_watchdog() is None
    manager.close()


def test_the_watchdog_of_another_process_is_not_ours(systemd: Systemd) -> None:
    manager = ServiceManager(systemd.environment | {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"})
    manager.feed_watchdog()
    with manager.patience(60.0):
        pass
    assert systemd.hears() == []
    manager.close()


def test_the_watchdog_waits_longer_for_what_takes_long(systemd: Systemd) -> None:
    manager = ServiceManager(systemd.environment | {"WATCHDOG_USEC": "10000000"})
    with manager.patience(60.0):
        assert systemd.hears() == ["WATCHDOG_USEC=60000000", "WATCHDOG=1"]
    assert systemd.hears() == ["WATCHDOG_USEC=10000000", "WATCHDOG=1"]
    manager.close()


def test_a_reload_is_said_before_and_after_and_so_is_the_end(systemd: Systemd) -> None:
    manager = ServiceManager(systemd.environment)
    manager.reloading(True)
    manager.reloading(True)
    assert systemd.hears() == ["RELOADING=1", "MONOTONIC_USEC"]
    manager.reloading(False)
    assert systemd.hears() == ["READY=1"]
    manager.stopping(30.0)
    assert systemd.hears() == ["STOPPING=1", "EXTEND_TIMEOUT_USEC=30000000"]
    manager.close()


def test_without_systemd_nothing_happens() -> None:
    manager = ServiceManager({})
    manager.ready()
    manager.status("1 pipeline")
    manager.feed_watchdog()
    manager.reloading(True)
    manager.close()


def test_nobody_at_the_socket_holds_nothing_up(tmp_path: Path) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    manager.ready()
    manager.stopping(1.0)
    manager.close()


def test_ready_is_said_again_where_it_was_not_heard(systemd: Systemd) -> None:
    address = systemd.environment["NOTIFY_SOCKET"]
    manager = ServiceManager({"NOTIFY_SOCKET": f"{address}-later"})
    manager.ready()
    later = Systemd(f"{address}-later")
    until(lambda: manager.ready() or "READY=1" in later.hears())
    later.close()
    manager.close()
