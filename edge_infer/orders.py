"""What the commands that concern pipelines do (docs/commands.md)."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from msgspec import Struct

from edge_infer.config import from_options
from edge_infer.pipelines import Pipelines

Arguments: TypeAlias = Mapping[str, object]


class _Which(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which pipeline is meant."""

    pipeline: str


def orders(pipelines: Pipelines) -> dict[str, Callable[[Arguments], object]]:
    """Each takes the arguments of a command and gives what its answer holds; for the thread of the pipelines."""

    def tune(arguments: Arguments) -> object:
        options = dict(arguments)
        which = {"pipeline": options.pop("pipeline")} if "pipeline" in options else {}
        return pipelines.tune(_name(which), options)

    return {
        "snapshot": lambda arguments: pipelines.picture(_name(arguments)),
        "pause": lambda arguments: {"paused": pipelines.pause(_name(arguments), paused=True)},
        "resume": lambda arguments: {"paused": pipelines.pause(_name(arguments), paused=False)},
        "set": tune,
    }


def _name(arguments: Arguments) -> str:
    return from_options(_Which, arguments, "the command").pipeline
