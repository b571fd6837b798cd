"""The tables, step by step: NNNN.sql brings a database from version NNNN - 1 to NNNN. Steps are only added."""

from collections.abc import Mapping
from importlib.resources import files

from edge_infer.errors import UnavailableError


def newest() -> int:
    """The version that this program works with."""
    return max(_steps())


def statements(version: int, dialect: Mapping[str, str], where: str) -> list[str]:
    """What brings a database of this version (0: an empty one) to the newest, in the words of its dialect.

    Raises:
        UnavailableError: it is newer than this program.
    """
    steps = _steps()
    if version > max(steps):
        raise UnavailableError(
            f"the database {where} has version {version}, this edge-infer knows up to {max(steps)}: update edge-infer"
        )
    wanted = [steps[step] for step in sorted(steps) if step > version]
    return [part for step in wanted for part in step.format_map(dialect).split(";\n")]


def _steps() -> dict[int, str]:
    found = {file.name.partition(".")[0]: file for file in files(__name__).iterdir() if file.name.endswith(".sql")}
    return {int(number): file.read_text("utf-8") for number, file in found.items()}
