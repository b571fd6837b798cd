"""The real command as a process."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from waiting import until

REPOSITORY = Path(__file__).resolve().parents[2]
EDGE_INFER = [sys.executable, "-m", "edge_infer"]
START_S = 20.0  # a busy machine needs this for the imports


def run(*arguments: str | Path, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """A command that ends by itself."""
    return subprocess.run(
        [*EDGE_INFER, *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def environment() -> dict[str, str]:
    """Ours, with what a person's shell leaves out: an unbuffered stdout would hide faults."""
    return os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": ""}


class Daemon:
    """`edge-infer run`, killed at the end of the block if it still runs."""

    def __init__(self, folder: Path, *arguments: str | Path, stdout: int | IO[bytes] = subprocess.DEVNULL) -> None:
        self._log = folder / "daemon.log"
        command = [*EDGE_INFER, "run", *map(str, arguments)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=stdout, stderr=log)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def says(self, text: str, seconds: float = START_S) -> None:
        """Wait until the log holds this."""
        until(lambda: text in self.log or self.process.poll() is not None, seconds, f"{text!r} in {self.log}")
        assert text in self.log

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ends(self, seconds: float) -> int:
        """The exit code; the test fails if there is none in time."""
        return self.process.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10.0)
        if self.process.stdout:
            self.process.stdout.close()
