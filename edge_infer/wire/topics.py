"""The topics of one device."""

import re
from dataclasses import dataclass
from enum import IntEnum

from edge_infer.errors import UsageError

ROOT = "edge/v1"
HEALTH_STREAM = "_health"  # the history of health travels as results of this name, which no pipeline can have
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"  # one level of a topic


def check_name(what: str, name: str) -> str:
    """The name itself, if it can be one level of a topic.

    Raises:
        UsageError: it cannot; for example because it holds a slash or a wildcard.
    """
    if not re.fullmatch(NAME, name):
        raise UsageError(
            f"{what} {name!r} cannot be part of a topic: use 1 to 64 letters, digits, '_', '.', '-', and begin with "
            "a letter or digit"
        )
    return name


def level_of(name: str) -> str:
    """A level of a topic that recalls `name`, which may be a path or a URL: for sources that were given no name."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-_.")[:64] or "unnamed"


def collector_status(group: str, root: str = ROOT) -> str:
    """Whether the collectors of a group are there: retained, and their last will."""
    return f"{root}/_collector/{group}/status"


class Kind(IntEnum):
    """What a record is: all share the sequence numbers of their device; the higher is the more important."""

    HEALTH = 0
    RESULT = 1
    EVENT = 2


@dataclass(frozen=True, slots=True)
class Topics:
    """Every topic that a device writes or reads, below `{root}/{device}`."""

    device: str
    root: str = ROOT

    def _at(self, *levels: str) -> str:
        return "/".join((self.root, self.device, *levels))

    @property
    def status(self) -> str:
        """Online, offline, lost, degraded: retained, and the last will."""
        return self._at("status")

    @property
    def info(self) -> str:
        """What the device is: retained."""
        return self._at("info")

    @property
    def health(self) -> str:
        """How the device is doing: retained, expires."""
        return self._at("health")

    @property
    def gaps(self) -> str:
        """Ranges of results that will never come, and why."""
        return self._at("gaps")

    @property
    def all_commands(self) -> str:
        """What the device subscribes to."""
        return self._at("cmd", "+")

    @property
    def ack(self) -> str:
        """What a collector has stored: the device subscribes to it."""
        return self._at("ack")

    def envelopes(self, kind: Kind, pipeline: str) -> str:
        """Envelopes of records: results and health history below `results`, events below `events`."""
        return self._at("events" if kind == Kind.EVENT else "results", pipeline)

    def latest(self, pipeline: str) -> str:
        """Counts and the last result, at most once a second: retained."""
        return self._at("latest", pipeline)

    def snapshot(self, pipeline: str, event: str = "") -> str:
        """A JPEG with the predictions drawn on it; of an event below the event's id."""
        return self._at("snapshot", pipeline, event) if event else self._at("snapshot", pipeline)

    def response(self, command: str) -> str:
        """Answers to commands that name no topic of their own."""
        return self._at("res", command)
