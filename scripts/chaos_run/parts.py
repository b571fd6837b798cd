"""The processes that take part, each of which can be killed, frozen and started again."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edge_infer.errors import UnavailableError
from edge_infer.tools.local_broker import find_mosquitto, free_port

START_S = 20.0
STOP_S = 20.0  # a device waits for acknowledgements for 5 s, a collector for its database
READY = "publishing"  # says a device
SHOWN = 400  # characters of a log in a message
MOSQUITTO = """listener {port} 127.0.0.1
allow_anonymous true
{user}persistence true
persistence_location {folder}/
set_tcp_nodelay true
max_inflight_messages 200
max_queued_messages 0
"""


class PartError(Exception):
    """A process does not start, or ended by itself."""


class MissingProgramError(PartError):
    """Something is not installed here."""


class Part:
    """One process, started anew with the same command after each kill; what it says is added to `<name>.log`."""

    def __init__(
        self,
        name: str,
        command: Sequence[object],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        ready: str = "",
        restart_on: int = 0,
    ) -> None:
        self.name = name
        self.log = folder / f"{name.replace(' ', '-')}.log"
        self._command = [str(word) for word in command]
        self._environment = os.environ | (environment or {})
        self._ready = ready  # what its log says then
        self._restart_on = restart_on
        self._started_at: list[int] = []  # bytes of the log, of each start
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._started_at.append(log.tell())
            self._process = subprocess.Popen(  # in a session of its own: ^C is for us, who end it
                self._command, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """A clean end, at once (^C).

        Raises:
            PartError: it had to be killed.
        """
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self.end(STOP_S)

    def wait_ready(self) -> None:
        """Raises: PartError: it ended, or does not say in time that it is ready."""
        wait_for(lambda: self._ready in self.lives()[-1], START_S, self, "become ready")

    def lives(self) -> list[str]:
        """What it said, from each start to the next."""
        said = self.log.read_bytes()
        ends = [*self._started_at[1:], len(said)]
        return [said[a:b].decode(errors="replace") for a, b in zip(self._started_at, ends, strict=True)]

    def freeze(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def check(self) -> None:
        """Start it again where it ended with the code that it is to be restarted on, as systemd does.

        Raises:
            PartError: it ended otherwise, although nobody killed it.
        """
        if not self.ended:
            return
        code = self.end(0.0)
        if code and code == self._restart_on:
            self.start()
        else:
            raise PartError(f"{self.name} ended with {code}: {self.log.read_text()[-SHOWN:]}")

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process is not None else None

    @property
    def ended(self) -> bool:
        """By itself, or because it was asked to."""
        return self._process is not None and self._process.poll() is not None

    def ask_to_end(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def end(self, seconds: float) -> int:
        """Its exit code; it is killed if there is none in time.

        Raises:
            PartError: it had to be killed.
        """
        if self._process is None:
            return 0
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise PartError(f"{self.name} did not end within {seconds:g} s: {self.log.read_text()[-SHOWN:]}") from error
        finally:
            self.kill()


class BrokerPart(Part):
    """mosquitto, with its persistence as it comes: on, and saved each half an hour and at a clean end."""

    def __init__(self, folder: Path) -> None:
        program = find_mosquitto()
        if program is None:
            raise MissingProgramError("needs mosquitto: apt install mosquitto")
        self.port = free_port()
        kept = folder / "mosquitto"
        kept.mkdir()
        user = "user root\n" if os.geteuid() == 0 else ""  # else it gives root up and cannot write there
        settings = folder / "mosquitto.conf"
        settings.write_text(MOSQUITTO.format(port=self.port, folder=kept, user=user))
        super().__init__("broker", [program, "-c", settings], folder)

    def start(self) -> None:
        super().start()
        wait_for(self._listens, START_S, self, "listen")

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=0.2):
            return True
        return False


def collector(number: int, folder: Path, broker_port: int, database: str) -> Part:
    """`edge-infer collector run`, which gives up where it is started while the broker or the database is away."""
    command = [sys.executable, "-m", "edge_infer", "collector", "run", "--mqtt", f"mqtt://127.0.0.1:{broker_port}"]
    options = ["--db", database, "--group", "chaos", "--id", f"collector-{number}"]
    return Part(
        f"collector {number}", [*command, *options], folder, ready=" collecting ", restart_on=UnavailableError.exit_code
    )


def device(
    number: int,
    folder: Path,
    url: str,
    rate: float,
    options: Mapping[str, object],
    environment: Mapping[str, str] | None = None,
) -> Part:
    """A program that publishes made-up results; its folder `device-<number>` holds what it says of itself."""
    own = folder / device_name(number)
    own.mkdir()
    chosen = {"url": url, "device": own.name, "folder": own, "state": own / "state", "rate": rate, **options}
    command = [sys.executable, "-m", "chaos_run.device"]
    for name, value in chosen.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    scripts = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join([str(scripts), str(scripts.parent), os.environ.get("PYTHONPATH", "")])
    added = {"PYTHONPATH": paths, **(environment or {})}
    return Part(f"device {number}", command, folder, environment=added, ready=READY)


def device_name(number: int) -> str:
    return f"device-{number}"


def wait_for(condition: Callable[[], bool], seconds: float, part: Part, what: str) -> None:
    """Raises: PartError: it ended, or did not do it in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        part.check()
        if time.monotonic() > deadline:
            raise PartError(f"{part.name} does not {what} within {seconds:g} s: {part.log.read_text()[-SHOWN:]}")
        time.sleep(0.01)
