"""Figures of models that nobody has measured, as `edge-infer tune` would keep them."""

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from edge_infer.evidence import Evidence, evidence_key, keep_evidence
from edge_infer.pipeline_settings import ModelSettings, PipelineSettings
from edge_infer.plan.points import Point
from edge_infer.runtime.libraries import find_library
from edge_infer.sources.settings import CameraSettings

FACES = Path(__file__).resolve().parents[1] / "models/face-detection"
FACES_FILE = FACES / "model.tflite"
SMALL = "mobilenet_v1_0.25_128_quant"

POINT = Point(
    device="cpu",
    threads=2,
    workers=1,
    p50_ms=4.0,
    p90_ms=5.0,
    infer_p90_ms=4.5,
    is_bound=True,
    frames=100,
    fps=200.0,
    cpu_ms=8.0,
    memory_bytes=10_000_000,
)
EVIDENCE = Evidence(
    model="m", model_bytes=1000, at=1.0, shown="noise", source_fps=None, others_cores=0.0, points=(POINT,)
)


def pipeline(path: Path = FACES, fps: float | None = 10.0, profile: Any = "latency", **model: Any) -> PipelineSettings:
    settings = ModelSettings(path=path, **model)
    return PipelineSettings(source=CameraSettings(uri="/dev/video0", fps=fps), model=settings, profile=profile)


def point(threads: int, workers: int, p90_ms: float, fps: float, device: str = "cpu") -> Point:
    changes = {"threads": threads, "workers": workers, "p90_ms": p90_ms, "fps": fps, "device": device}
    return replace(POINT, **changes, accelerators=0 if device == "cpu" else 1)


def evidence(*points: Point, model_bytes: int = 1000) -> Evidence:
    return replace(EVIDENCE, points=points, model_bytes=model_bytes)


def kept(folder: Path, *found: dict[Path, Evidence]) -> None:
    """Evidence of files, in a state folder."""
    library = str(find_library())
    keep_evidence({evidence_key(path, library): one for of in found for path, one in of.items()}, folder)


def two_compiled(models: Path, folder: Path) -> tuple[Path, Path]:
    """Two models that differ, each for CPU and TPU."""
    for name, tail in (("a", b""), ("b", b"\0\0\0\0")):
        (folder / f"{name}.tflite").write_bytes((models / f"{SMALL}.tflite").read_bytes() + tail)
        (folder / f"{name}_edgetpu.tflite").write_bytes((models / f"{SMALL}_edgetpu.tflite").read_bytes() + tail)
    return folder / "a.tflite", folder / "b.tflite"


def costs(cpu: float, usb: float, pci: float, model_bytes: int, path: Path) -> dict[Path, Evidence]:
    tpu = (point(1, 1, usb, 100, "edgetpu:usb"), point(1, 1, pci, 100, "edgetpu:pci"))
    twin = path.with_name(f"{path.stem}_edgetpu.tflite")
    return {path: evidence(point(1, 1, cpu, 10)), twin: evidence(*tpu, model_bytes=model_bytes)}
