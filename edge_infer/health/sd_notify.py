"""What systemd is told of this process. Source: sd_notify(3), sd_watchdog_enabled(3)."""

import os
import socket
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

SEND_S = 0.5  # systemd reads at once; a socket that is full must not hold up who feeds the watchdog
EXTEND_EVERY_S = 1.0  # while it starts


class ServiceManager:
    """Does nothing where the process was not started by systemd (or what speaks like it) with a socket for this.

    The variables that name the socket and the watchdog are taken out of the environment: no child inherits them.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        pid = environment.pop("WATCHDOG_PID", str(os.getpid()))
        self._watchdog_usec = int(environment.pop("WATCHDOG_USEC", "0")) if pid == str(os.getpid()) else 0
        self._fed_at = self._extended_at = 0.0  # monotonic
        self._status = ""
        self._is_ready = self._reloads = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        if self._socket:
            self._socket.settimeout(SEND_S)

    def ready(self) -> None:
        """The service works; said once."""
        if not self._is_ready:
            self._is_ready = self._say("READY=1")

    def starting(self) -> None:
        """It is still about to start, and is alive."""
        if not self._is_ready and time.monotonic() - self._extended_at >= EXTEND_EVERY_S:
            self._extended_at = time.monotonic()
            self._say(f"EXTEND_TIMEOUT_USEC={10_000_000}")

    def status(self, line: str) -> None:
        """How it is doing, for who reads `systemctl status`; said when it changes."""
        if line != self._status and self._say(f"STATUS={line}"):
            self._status = line

    def feed_watchdog(self) -> float | None:
        """It makes progress; said twice in the time that the watchdog waits.

        Returns:
            How long it still waits, s; None where there is none.
        """
        if not self._watchdog_usec:
            return None
        if time.monotonic() - self._fed_at >= self._watchdog_usec / 2e6:
            self._fed_at = time.monotonic()
            self._say("WATCHDOG=1")
        return self._fed_at + self._watchdog_usec / 1e6 - time.monotonic()

    @contextmanager
    def patience(self, seconds: float) -> Iterator[None]:
        """What is done in the block may hold up the watchdog's food for so long."""
        if self._watchdog_usec:
            self._say(f"WATCHDOG_USEC={max(self._watchdog_usec, int(seconds * 1e6))}", "WATCHDOG=1")
        try:
            yield
        finally:
            if self._watchdog_usec:
                self._say(f"WATCHDOG_USEC={self._watchdog_usec}", "WATCHDOG=1")

    def reloading(self, now: bool) -> None:
        """Whether the configuration is being read; said when that changes."""
        if now != self._reloads:
            self._reloads = now
            self._say(*(["RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"] if now else ["READY=1"]))

    def stopping(self, seconds: float) -> None:
        """It ends, which takes at most so long."""
        self._say("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def close(self) -> None:
        """Nothing more is said."""
        if self._socket:
            self._socket.close()

    def _say(self, *lines: str) -> bool:
        if self._socket is None:
            return True
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError:  # nobody listens, or not now: what matters is said again
            return False
        return True
