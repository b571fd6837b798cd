"""Trying everything that a configuration names, one by one."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_infer.bundle.bundle import open_bundle
from edge_infer.deliver.state_dir import default_state_dir
from edge_infer.errors import EdgeInferError, ModelError, SourceError, UnavailableError
from edge_infer.golden import golden_problems
from edge_infer.mqtt.link import connect
from edge_infer.registry import load_model, make_source
from edge_infer.settings import PipelineSettings, Settings
from edge_infer.sources.source import EndOfStream


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried; `exit_code` is 0 where it works."""

    what: str
    detail: str
    exit_code: int = 0


def findings(settings: Settings) -> Iterator[Finding]:
    """Try each model with its golden test, each source for one frame, the broker, the disk; one at a time."""
    for name, pipeline in settings.pipelines.items():
        yield from tried(f"model of {name}", lambda pipeline=pipeline: _model(pipeline))  # type: ignore[misc]
        yield from tried(f"source of {name}", lambda pipeline=pipeline: _source(pipeline))  # type: ignore[misc]
    if settings.mqtt:
        yield from tried("broker", lambda: _broker(settings))
        yield from tried("outbox", lambda: _outbox(settings))
    if settings.file:
        yield from tried("file", lambda: _file(settings))


def tried(what: str, attempt: Callable[[], str]) -> Iterator[Finding]:
    """What came of one attempt."""
    try:
        yield Finding(what, attempt())
    except EdgeInferError as error:
        yield Finding(what, str(error), error.exit_code)


def _model(pipeline: PipelineSettings) -> str:
    with load_model(pipeline) as model:
        bundle = open_bundle(pipeline.model.path)
        problems = golden_problems(bundle, model)
        if problems:
            raise ModelError(f"{model.id} does not do what its golden test expects: {'; '.join(problems)}")
        proof = "no golden test" if problems is None else "golden test passed"
        fallback = f"; {model.fallback_reason}" if model.fallback_reason else ""
        return f"{model.id}, {model.task}, on {model.device} with {model.runtime.library}, {proof}{fallback}"


def _source(pipeline: PipelineSettings) -> str:
    with make_source(pipeline.source) as source:
        started = time.monotonic()
        try:
            frame = source.read()
        except EndOfStream as error:
            raise SourceError(f"{source.name} has no frame") from error
        width, height = frame.size
        return f"{source.name} gives {width}x{height}, first frame after {time.monotonic() - started:.1f} s"


def _broker(settings: Settings) -> str:
    assert settings.mqtt is not None  # noqa: S101 - the caller looked
    # another client id than the daemon's, which may be running and would be thrown out
    link = connect(settings.mqtt, f"{settings.device.id}-check")
    try:
        return f"{settings.mqtt.url} accepts us, MQTT {'5' if link.version == 5 else '3.1.1'}"
    finally:
        link.close()


def _outbox(settings: Settings) -> str:
    folder = settings.device.state_dir or default_state_dir()
    existing = _writable(folder / "outbox", "results could wait in RAM only")
    disk = os.statvfs(existing)
    free = disk.f_bavail * disk.f_frsize
    if free < settings.outbox.min_free_bytes:
        raise UnavailableError(f"the disk of {existing} has {free / 1e6:.0f} MB left, less than outbox.min_free_bytes")
    return f"{folder} can be written, {free / 1e9:.1f} GB are free"


def _file(settings: Settings) -> str:
    assert settings.file is not None  # noqa: S101 - the caller looked
    _writable(settings.file.path, "no results would get there")
    return f"{settings.file.path} can be written"


def _writable(path: Path, otherwise: str) -> Path:
    """The folder of a file, or the nearest above that is there."""
    existing = next(parent for parent in path.parents if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UnavailableError(f"{path} cannot be written, {otherwise}: {existing} is not ours to write to")
    return existing
