"""Questions to libraries and drivers, asked in a process of their own: a crash or a hang is an answer, too."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

PACKAGE = Path(__file__).resolve().parents[2]
AT_ONCE = 2  # processes; each holds about 80 MB, and the smallest boards have 512
REAP_S = 1.0  # a process that a driver holds cannot be killed, and is left behind
SHOWN = 300  # characters of what a library wrote at its end
_places = threading.BoundedSemaphore(AT_ONCE)

# What the signals that end a process say about a native library.
MEANINGS = {
    signal.SIGSEGV: "crashed (SIGSEGV)",
    signal.SIGBUS: "crashed (SIGBUS: memory that it was promised is not there)",
    signal.SIGABRT: "ended the process (SIGABRT)",
    signal.SIGILL: "uses an instruction that this processor does not have (SIGILL)",
    signal.SIGKILL: "was killed (SIGKILL: most likely out of memory)",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe said, step by step, until its end.

    Attributes:
        steps: in order; a probe says a step when it is done, so that one that dies tells how far it came
        died: what ended it before its time: a crash, a hang; None if nothing did
        stderr: what the libraries wrote meanwhile
    """

    steps: tuple[dict[str, Any], ...]
    died: str | None
    stderr: str

    @property
    def said(self) -> dict[str, Any]:
        """All steps in one."""
        return {key: value for step in self.steps for key, value in step.items()}

    @property
    def last_words(self) -> str:
        """The end of what was written, in one line."""
        text = " ".join(self.stderr.split())
        return f": {text[-SHOWN:]}" if text else ""


def ask(probe: str, *arguments: str, seconds: float) -> Answer:
    """What a function of probes.py says; after `seconds` it and what it started are killed."""
    command = [sys.executable, "-m", f"{__package__}.probes", probe, *arguments]
    with _places, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        # Its own group, so that what it starts ends with it; it watches over our end by itself (probes.py).
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment(), process_group=0
        )
        died = _end(process, seconds)
        return Answer(_steps(_text(out)), died, _text(err))


def environment() -> dict[str, str]:
    """Ours, and our path of modules: the child finds what we found, from wherever we were started."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), *filter(None, sys.path)])}


def _end(process: "subprocess.Popen[bytes]", seconds: float) -> str | None:
    died = None
    try:
        code = process.wait(seconds)
        if code < 0:
            died = MEANINGS.get(signal.Signals(-code), f"was ended by {signal.Signals(-code).name}")
        elif code:
            died = f"ended with exit code {code}"
    except subprocess.TimeoutExpired:
        died = f"did not answer within {seconds:.0f} s"
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(REAP_S)
    except subprocess.TimeoutExpired:
        died = f"{died}, and cannot be killed: it hangs in the kernel"
    return died


def _steps(text: str) -> tuple[dict[str, Any], ...]:
    steps = []
    for line in text.splitlines():
        with suppress(ValueError):  # a library may print, too
            step = json.loads(line)
            if isinstance(step, dict):
                steps.append(step)
    return tuple(steps)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
