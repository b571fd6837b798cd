"""`edge-infer batch` as a process, what it leaves behind, and footage for it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from waiting import until

REPOSITORY = Path(__file__).resolve().parents[2]
BUNDLE = REPOSITORY / "models/face-detection"
SAMPLE = BUNDLE / "sample.jpg"
Row = dict[str, Any]
START_S = 40.0  # a busy machine needs this for the imports


def arguments(out: Path, *inputs: str | Path, options: tuple[str, ...] = ()) -> list[str]:
    return ["batch", *map(str, inputs), "--model", str(BUNDLE), "--out", str(out), "--json", *options]


def start(
    *given: str, cwd: Path | None = None, prefix: tuple[str, ...] = (), **environment: str
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*prefix, sys.executable, "-m", "edge_infer", *given],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def batch(
    out: Path,
    *inputs: str | Path,
    options: tuple[str, ...] = ("--workers", "2"),
    code: int = 0,
    prefix: tuple[str, ...] = (),
    **environment: str,
) -> Row:
    """Run it to its end; its summary."""
    process = start(*arguments(out, *inputs, options=options), prefix=prefix, **environment)
    said, complaints = process.communicate(timeout=100)
    assert process.returncode == code, complaints
    assert "Traceback" not in complaints, complaints
    summary: Row = json.loads(said)
    return summary | {"said": complaints}


@contextmanager
def running(out: Path, *inputs: str | Path, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """It, while it works; at the end of the block nothing of it is left."""
    with start(*arguments(out, *inputs, options=("--workers", "2")), **environment) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=20)
            until(lambda: not in_session(process.pid), what=f"the end of {in_session(process.pid)}")


def in_session(session: int) -> list[int]:
    """Processes that a command has started, with itself."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (OSError, psutil.Error):
            continue
    return found


def workers(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Its workers: what its fork server has forked."""
    own = psutil.Process(process.pid)
    return [worker for server in own.children() for worker in server.children()]


def rows(out: Path) -> list[Row]:
    return [json.loads(line) for line in out.read_bytes().splitlines() if line]


def whole_rows(out: Path) -> int:
    return out.read_bytes().count(b"\n") if out.exists() else 0


def told(row: Row) -> Row:
    """A row without what is another each time."""
    return {name: value for name, value in row.items() if name != "timings_ms"}


def pictures(folder: Path, count: int) -> Path:
    """A folder of so many, each another; every third one shows a face."""
    folder.mkdir()
    face = cv2.resize(cv2.imread(str(SAMPLE)), (160, 160))
    for number in range(count):
        picture = np.roll(face, 5 * number, axis=1) if number % 3 == 0 else np.full((90, 120, 3), number, np.uint8)
        cv2.imwrite(str(folder / f"p{number}.jpg"), picture)
    return folder


def film(path: Path, frames: int, fourcc: str = "MJPG") -> Path:
    """A face that moves a little with each frame; 25 frames a second."""
    face = cv2.resize(cv2.imread(str(SAMPLE)), (160, 160))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), 25.0, (160, 160))
    assert writer.isOpened()
    for number in range(frames):
        writer.write(np.roll(face, number % 40, axis=0))
    writer.release()
    return path


def interrupt(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    """As a terminal or systemd do it: the signal goes to all of its processes."""
    os.killpg(process.pid, number)
