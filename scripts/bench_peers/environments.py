"""Environments of others: made on first use below a cache folder, with what went wrong where one cannot be made."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from bench_peers.contenders import Environment

LOOK_S = 1.0  # between looks at how much has been installed


class CannotBeMadeError(Exception):
    """An environment is not to be had here, and why."""


def folder() -> Path:
    """Where they are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-infer" / "peers"


def python_of(environment: Environment) -> str:
    """The Python of an environment, which is made where it is not there.

    Raises:
        CannotBeMadeError: there is no fitting Python, or pip cannot install it.
    """
    venv = folder() / environment.name
    wanted, complete = "\n".join(environment.packages), venv / ".complete"
    if not complete.exists() or complete.read_text() != wanted:
        made = subprocess.run([_fitting_python(environment), "-m", "venv", "--clear", venv], capture_output=True)
        if made.returncode:
            raise CannotBeMadeError(f"{venv} cannot be made: apt install python3-venv, or see to the room on the disk")
        _install(environment, venv)
        complete.write_text(wanted)
    return str(venv / "bin" / "python")


def _fitting_python(environment: Environment) -> str:
    if sys.version_info.minor <= environment.newest:
        return sys.executable
    for minor in range(environment.newest, 8, -1):
        if found := shutil.which(f"python3.{minor}"):
            return found
    raise CannotBeMadeError(f"it needs Python 3.{environment.newest} or older: put one on the PATH")


def _install(environment: Environment, venv: Path) -> None:
    log = folder() / f"{environment.name}.log"
    print(
        f"installing {environment.name} (about {environment.megabytes} MB, log in {log})", file=sys.stderr, flush=True
    )
    command = [str(venv / "bin" / "pip"), "install", "--disable-pip-version-check", *environment.packages]
    with (
        log.open("w") as said,
        subprocess.Popen(command, stdout=said, stderr=said) as pip,
        tqdm(
            total=environment.megabytes, unit="MB", desc=f"installing {environment.name}", disable=None, delay=2
        ) as bar,
    ):
        while True:
            try:
                pip.wait(LOOK_S)
                break
            except subprocess.TimeoutExpired:
                bar.n = min(environment.megabytes, _megabytes(venv.rglob("*")))
                bar.refresh()
    if pip.returncode:
        errors = [line for line in log.read_text().splitlines() if line.startswith("ERROR")]
        raise CannotBeMadeError(f"pip cannot install it: {errors[-1] if errors else f'see {log}'}")


def _megabytes(files: Iterable[Path]) -> int:
    total = 0
    for file in files:
        try:
            total += file.lstat().st_size
        except OSError:
            continue  # pip has just moved it
    return total // 1_000_000
