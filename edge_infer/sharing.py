"""Threads and workers of models where that is left open: by what was measured, else by rules."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge_infer.bundle.bundle import Bundle
from edge_infer.errors import EdgeInferError
from edge_infer.evidence import Evidence, evidence_key, read_evidence
from edge_infer.health.process import cores
from edge_infer.plan.points import CPU, Point, Profile, ranked
from edge_infer.plan.shares import Wish, share_out
from edge_infer.runtime.delegate import EXTERNAL
from edge_infer.runtime.libraries import Library
from edge_infer.runtime.pool import meant


@dataclass(frozen=True, slots=True)
class Runs:
    """The file of a model that will run.

    Attributes:
        devices: accelerators that it may use; empty: the CPU does it
        evidence: what is known of it here
    """

    file: Path
    devices: tuple[str, ...]
    evidence: Evidence | None

    def measured(self, profile: Profile) -> list[Point]:
        """On these devices, best first."""
        if self.evidence is None:
            return []
        kinds = {kind_of(device) for device in self.devices} or {CPU}
        return ranked((point for point in self.evidence.points if point.device in kinds), profile)


def kind_of(device: str) -> str:
    """The kind of accelerator that a device is one of: `edgetpu:usb` of `edgetpu:usb:0`."""
    return device.rpartition(":")[0] if device.rpartition(":")[2].isdecimal() else device


def runs(bundle: Bundle, device: str, library: Library, known: Mapping[str, Evidence]) -> Runs:
    """What a device string amounts to, with the accelerators that are plugged in now."""
    if device == EXTERNAL:
        return _file(bundle.path, (device,), library, known)
    found = tuple(meant(device)) if bundle.edgetpu and device != CPU else ()
    if not found and device.startswith("edgetpu"):
        found = (device,)  # the system may show less than libedgetpu finds
    file = bundle.edgetpu if found and bundle.edgetpu else bundle.path
    return _file(file, found, library, known)


def _file(file: Path, devices: tuple[str, ...], library: Library, known: Mapping[str, Evidence]) -> Runs:
    evidence = None
    if known:  # reading a model only to look it up in an empty book would delay the start
        with suppress(EdgeInferError):
            evidence = known.get(evidence_key(file, str(library)))
    return Runs(file, devices, evidence)


def wish_of(found: Runs, profile: Profile, threads: int | None, workers: int | None) -> Wish:
    """What a pipeline with this model is to have; None: to be found."""
    return Wish(
        profile,
        threads,
        workers,
        model_bytes=found.file.stat().st_size,
        accelerators=len(found.devices),
        measured=tuple((point.threads, point.workers) for point in found.measured(profile)),
    )


def threads_alone(bundle: Bundle, device: str, library: Library) -> int:
    """Threads of a model that has the machine to itself, and is to answer soon."""
    wish = wish_of(runs(bundle, device, library, read_evidence()), "latency", None, 1)
    return share_out({"": wish}, cores())[""][0]
