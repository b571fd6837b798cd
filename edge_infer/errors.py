"""Every error that edge_infer raises on purpose, and the exit code that a command ends with.

    EdgeInferError                 70  a fault of ours
    ├─ UsageError                  64  the command line
    ├─ ConfigError                 78  the configuration file: every problem with its place
    ├─ ModelError                  65  a model file or bundle that cannot be used
    ├─ InputError                  65  an input (picture, frame, region) that cannot be used
    ├─ StalledError                75  no progress: let systemd start anew
    └─ UnavailableError            69  a device, file, host or broker is not there
       └─ TransientError           69  ... and trying again may work: the only class that a Worker retries
          ├─ SourceError               camera or stream
          ├─ DelegateError             accelerator
          │  └─ DelegateTimeoutError   ... that gave no answer in time
          └─ UplinkError               broker

A message says what happened, where, and what to do next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


class EdgeInferError(Exception):
    """The family; catching it catches all that edge_infer raises on purpose."""

    exit_code: ClassVar[int] = 70


class UsageError(EdgeInferError):
    """The command line cannot be understood."""

    exit_code = 64


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a YAML file; line and column count from 1."""

    line: int
    column: int
    key: str
    message: str


class ConfigError(EdgeInferError):
    """A YAML file that does not say what it should: all problems at once, each with its place."""

    exit_code = 78

    def __init__(self, path: Path | str, problems: Sequence[Problem]) -> None:
        self.path = Path(path)
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{path}:{p.line}:{p.column}: {p.message}" for p in self.problems))


class ModelError(EdgeInferError):
    """A model file or bundle that is damaged, incomplete, or that this runtime cannot run."""

    exit_code = 65


class InputError(EdgeInferError):
    """An input that cannot be used: an unreadable picture, a region outside it, a wrong shape."""

    exit_code = 65


class StalledError(EdgeInferError):
    """A stage makes no progress and cannot be replaced."""

    exit_code = 75


class UnavailableError(EdgeInferError):
    """Something outside is not there: a file, a device, a host, a broker."""

    exit_code = 69


class TransientError(UnavailableError):
    """Trying again may work."""


class SourceError(TransientError):
    """A camera or stream does not open, broke off, or gives no frames."""


class DelegateError(TransientError):
    """An accelerator is missing, refuses, or failed while running."""


class DelegateTimeoutError(DelegateError):
    """An accelerator did not answer in time."""


class UplinkError(TransientError):
    """The broker cannot be reached, or refused us."""
