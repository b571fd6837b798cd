"""Trying everything that a configuration names, one by one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge_infer.errors import EdgeInferError
from edge_infer.settings import Settings
from edge_infer.tools.doctor.broker import try_broker
from edge_infer.tools.places import place_of_file, room_for_results, state_dir
from edge_infer.tools.trial import model_trial, source_trial


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried; `exit_code` is 0 where it works."""

    what: str
    detail: str
    exit_code: int = 0


def findings(settings: Settings) -> Iterator[Finding]:
    """Try each model with its golden test, each source for one frame, the broker, the disk; one at a time."""
    for name, pipeline in settings.pipelines.items():
        yield from tried(f"model of {name}", lambda pipeline=pipeline: model_trial(pipeline).detail)  # type: ignore[misc]
        yield from tried(f"source of {name}", lambda pipeline=pipeline: source_trial(pipeline).detail)  # type: ignore[misc]
    if mqtt := settings.mqtt:
        room = settings.outbox.min_free_bytes
        yield from tried("broker", lambda: try_broker(mqtt, settings.device.id))
        yield from tried("outbox", lambda: room_for_results(state_dir(settings), room))
    if file := settings.file:
        yield from tried("file", lambda: place_of_file(file.path))


def tried(what: str, attempt: Callable[[], str]) -> Iterator[Finding]:
    """What came of one attempt."""
    try:
        yield Finding(what, attempt())
    except EdgeInferError as error:
        yield Finding(what, str(error), error.exit_code)
