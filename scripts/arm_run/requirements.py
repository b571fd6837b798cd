"""What pyproject.toml demands on another machine, and this machine's pip, which fetches it."""

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from arm_run.boards import REPOSITORY
from edge_infer.errors import UnavailableError

PYPROJECT = REPOSITORY / "pyproject.toml"
OLDEST_GLIBC = 17  # 2.17: manylinux2014, the oldest that wheels for ARM are made for
TEST_TOOLS = ("pytest", "hypothesis", "flatbuffers", "jinja2")  # what their names begin with
SHOWN = 1000  # characters of pip's last words


def required(machine: str, python: str, *extras: str) -> list[Requirement]:
    """What the package depends on there, without markers: pip would evaluate them for this machine."""
    project = _project()
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    found = [Requirement(line) for line in lines]
    there = {"platform_machine": machine, "python_version": python}
    kept = [each for each in found if each.marker is None or each.marker.evaluate(there)]
    for each in kept:
        each.marker = None
    return kept


def suite_tools() -> list[Requirement]:
    """What the suite needs to run."""
    tools = map(Requirement, _project()["optional-dependencies"]["dev"])
    return [each for each in tools if each.name.startswith(TEST_TOOLS)]


def pip_for(machine: str, python: str, glibc: int) -> list[str]:
    """The beginning of a `pip install` that takes wheels for another machine, and nothing else."""
    tags = ["manylinux2014", *(f"manylinux_2_{minor}" for minor in range(OLDEST_GLIBC, glibc + 1))]
    platforms = [word for tag in tags for word in ("--platform", f"{tag}_{machine}")]
    return ["install", "--quiet", "--only-binary=:all:", f"--python-version={python}", *platforms]


def pip(*arguments: str | Path) -> str:
    """What pip says on stdout.

    Raises:
        UnavailableError: it fails.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnavailableError(f"pip {arguments[0]} fails: {done.stderr.strip()[-SHOWN:]}")
    return done.stdout


def words(requirements: Sequence[Requirement]) -> list[str]:
    """As pip takes them."""
    return [str(each) for each in requirements]


def _project() -> Any:
    return tomllib.loads(PYPROJECT.read_text())["project"]
