"""The settings that are tried for a model: devices that are there, threads and workers that the cores can bear."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace as changed

from edge_infer.bundle.bundle import open_bundle
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.plan.points import CPU
from edge_infer.runtime.delegate import EXTERNAL
from edge_infer.runtime.pool import meant
from edge_infer.sharing import kind_of


@dataclass(frozen=True, eq=False)
class Candidate:
    """One of them; `device` is that of the figures, `settings` are what is loaded, `file` is what runs then."""

    device: str
    accelerators: int
    threads: int
    workers: int
    file: Path
    settings: PipelineSettings

    def __str__(self) -> str:
        return f"{self.device}, {self.threads} threads, {self.workers} workers"


def candidates(settings: PipelineSettings, cores: int, *, remembers: bool) -> Iterator[Candidate]:
    """Those of a pipeline; a model that remembers has one worker.

    Raises:
        EdgeInferError: the model cannot be read.
    """
    bundle, device = open_bundle(settings.model.path), settings.model.device
    if device == EXTERNAL:
        yield _candidate(settings, bundle.path, device, device, 1, (1, 1))
    if bundle.cpu and device in ("auto", CPU):
        for threads, workers in grid(cores, remembers=remembers):
            yield _candidate(settings, bundle.cpu, CPU, CPU, 0, (threads, workers))
    if bundle.edgetpu is None:
        return
    names = meant(device) or ([device] if device.startswith("edgetpu") else [])
    for kind in dict.fromkeys(kind_of(name) for name in names):
        same = [name for name in names if kind_of(name) == kind]
        yield _candidate(settings, bundle.edgetpu, kind, same[0], 1, (1, 1))
        if len(same) > 1 and not remembers:
            yield _candidate(settings, bundle.edgetpu, kind, kind, len(same), (1, len(same)))


def grid(cores: int, *, remembers: bool) -> list[tuple[int, int]]:
    """(threads, workers): 1, 2, 4, ... and all cores, as long as no more than `cores` are busy."""
    steps = sorted({*(1 << power for power in range(cores.bit_length())), cores})
    return [
        (threads, workers)
        for threads in steps
        for workers in (steps if not remembers else [1])
        if threads * workers <= cores
    ]


def _candidate(
    settings: PipelineSettings, file: Path, shown: str, device: str, accelerators: int, numbers: tuple[int, int]
) -> Candidate:
    """Nothing stands in for the device: its figures would be those of another."""
    threads, workers = numbers
    model = changed(settings.model, device=device, threads=threads, workers=workers, stand_in=False)
    return Candidate(shown, accelerators, threads, workers, file, changed(settings, model=model))
