"""Which device each model of a configuration runs on, by what was measured of it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from edge_infer.bundle.bundle import open_bundle
from edge_infer.errors import EdgeInferError
from edge_infer.evidence import Evidence, evidence_key
from edge_infer.health.process import cores
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.plan.points import CPU, Point
from edge_infer.plan.solver import Device, Plan, Task, solve
from edge_infer.runtime.libraries import find_library
from edge_infer.runtime.pool import meant
from edge_infer.sharing import kind_of

USUAL_FPS = 30.0  # of a source that does not say: what cameras give most often
# How fast parameters get back into a TPU that has run another model. Source: what reviews of the USB Accelerator find
# on USB 3.0; PCIe 2.0 x1 less its encoding (8b/10b). USB 2.0 has a tenth.
SWAP_BYTES_S = {"edgetpu:usb": 300e6, "edgetpu:pci": 500e6}


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be placed.

    Attributes:
        tasks: of all models that were measured
        free: whose place is open
    """

    tasks: tuple[Task, ...]
    devices: tuple[Device, ...]
    free: frozenset[str]

    def best(self) -> Plan:
        """Where all of them are to run, by what was measured."""
        return solve(self.tasks, self.devices)


def choice(pipelines: Mapping[str, PipelineSettings], known: Mapping[str, Evidence]) -> Choice | None:
    """None where there is none, or figures are missing.

    There is one where several pipelines with `device: auto` have a file for the Edge TPU, and one is plugged in.
    """
    names = meant("auto")
    free = frozenset(name for name, one in pipelines.items() if is_free(one))
    tasks = {name: task for name, one in pipelines.items() if (task := task_of(name, one, known))}
    if not names or len(free) < 2 or not tasks.keys() >= free:
        return None
    return Choice(tuple(tasks.values()), _devices(names), free)


def planned(tasks: Sequence[Task], accelerators: Sequence[str]) -> Plan:
    """The best for all of them."""
    return solve(tasks, _devices(accelerators))


def _devices(accelerators: Sequence[str]) -> tuple[Device, ...]:
    """The CPU has sources, decoding and delivery to do, and gets what is left."""
    on_cpu = Device(CPU, slots=cores(), last=bool(accelerators))
    return (on_cpu, *(Device(name, keeps_one=True) for name in accelerators))


def is_free(settings: PipelineSettings) -> bool:
    """Whether its model may run on an Edge TPU or not, as it is best for all."""
    with suppress(EdgeInferError):
        return settings.model.device == "auto" and open_bundle(settings.model.path).edgetpu is not None
    return False


def task_of(name: str, settings: PipelineSettings, known: Mapping[str, Evidence]) -> Task | None:
    """What a pipeline asks of each device that it may run on; None where one of them was not measured."""
    with suppress(EdgeInferError):
        bundle, library = open_bundle(settings.model.path), find_library(settings.model.runtime)
        files = dict.fromkeys(meant(settings.model.device), bundle.edgetpu)
        files |= {CPU: bundle.cpu} if settings.model.device in ("auto", CPU) else {}
        runs = {device: known.get(evidence_key(file, str(library))) for device, file in files.items() if file}
        points = {device: _point(evidence, device) for device, evidence in runs.items()}
        fps: float | None = getattr(settings.source, "fps", None)
        seen_fps = next((evidence.source_fps for evidence in runs.values() if evidence), None)
        if not points or None in points.values():
            return None
        return Task(
            name,
            fps or seen_fps or USUAL_FPS,
            min(1e3 / fps if fps else float("inf"), settings.max_frame_age_s * 1e3),
            {device: point.p90_ms for device, point in points.items() if point},
            {device: swap_ms(evidence, device) for device, evidence in runs.items() if evidence and device != CPU},
            str(bundle.edgetpu or bundle.cpu),
            {device: point.infer_p90_ms for device, point in points.items() if point},
        )
    return None


def _point(evidence: Evidence | None, device: str) -> Point | None:
    """Of one worker with one thread, or of as few as were measured."""
    points = sorted(evidence.points, key=lambda point: (point.workers, point.threads)) if evidence else []
    return next((point for point in points if point.device == kind_of(device)), None)


def swap_ms(evidence: Evidence, device: str) -> float:
    """Until a model's parameters are back on an accelerator that has run another one."""
    return evidence.model_bytes / SWAP_BYTES_S.get(kind_of(device), min(SWAP_BYTES_S.values())) * 1e3
