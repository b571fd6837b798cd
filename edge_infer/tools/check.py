"""Trying everything that a configuration names, one by one."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from edge_infer.analyse.fusion_names import references, unknown_labels
from edge_infer.errors import ConfigError, EdgeInferError
from edge_infer.fusing import labels_of
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.registry import load_model
from edge_infer.settings import Settings
from edge_infer.tools.doctor.broker import try_broker
from edge_infer.tools.places import place_of_file, room_for_results, state_dir
from edge_infer.tools.trial import Trial, model_trial, source_trial


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried; `exit_code` is 0 where it works."""

    what: str
    detail: str
    exit_code: int = 0


def findings(settings: Settings) -> Iterator[Finding]:
    """Try each model with its golden test, each source for one frame, the broker, the disk; one at a time."""
    for name, pipeline in settings.pipelines.items():
        yield from _of_pipeline(name, pipeline)
    if settings.fusions:
        yield _labels(settings)
    if mqtt := settings.mqtt:
        room = settings.outbox.min_free_bytes
        yield from tried("broker", lambda: try_broker(mqtt, settings.device.id))
        yield from tried("outbox", lambda: room_for_results(state_dir(settings), room))
    if file := settings.file:
        yield from tried("file", lambda: place_of_file(file.path))


def _labels(settings: Settings) -> Finding:
    """Whether the models have all labels that fusions name; of a model that cannot be loaded another finding tells."""
    labels = {}
    for name in sorted({reference.pipeline for _, reference in references(settings.fusions)}):
        with suppress(EdgeInferError), load_model(settings.pipelines[name]) as model:
            labels[name] = labels_of(model)
    if problems := unknown_labels(settings.fusions, labels):
        return Finding("fusions", "; ".join(problems.values()), ConfigError.exit_code)
    return Finding("fusions", ", ".join(settings.fusions))


def _of_pipeline(name: str, pipeline: PipelineSettings) -> Iterator[Finding]:
    """Its model, and its source, which has to give what the model takes."""
    model: Trial | None = None

    def try_model() -> str:
        nonlocal model
        model = model_trial(pipeline)
        return model.detail

    yield from tried(f"model of {name}", try_model)
    yield from tried(f"source of {name}", lambda: source_trial(pipeline, model).detail)


def tried(what: str, attempt: Callable[[], str]) -> Iterator[Finding]:
    """What came of one attempt."""
    try:
        yield Finding(what, attempt())
    except EdgeInferError as error:
        yield Finding(what, str(error), error.exit_code)
