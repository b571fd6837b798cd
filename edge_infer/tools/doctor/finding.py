"""What the doctor found, in a form that a person can act on."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from edge_infer.errors import UnavailableError

Level: TypeAlias = Literal["ok", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: ok; warn: it works, but not as it should; fail: it does not work; skip: it was not looked at
        fix: what to do about it, and `command` what to type, where there is something
        exit_code: what the doctor ends with if this is the first that fails
    """

    what: str
    detail: str
    level: Level = "ok"
    fix: str = ""
    command: str = ""
    exit_code: int = 0


def ok(what: str, detail: str) -> Finding:
    """All is well."""
    return Finding(what, detail)


def skip(what: str, why: str) -> Finding:
    """It was not looked at."""
    return Finding(what, why, "skip")


def warn(what: str, detail: str, fix: str, command: str = "") -> Finding:
    """It works, but not as it should."""
    return Finding(what, detail, "warn", fix, command)


def fail(what: str, detail: str, fix: str, command: str = "", exit_code: int = UnavailableError.exit_code) -> Finding:
    """It does not work."""
    return Finding(what, detail, "fail", fix, command, exit_code)
