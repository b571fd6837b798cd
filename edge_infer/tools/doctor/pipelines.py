"""The pipelines of the configuration: does each model work, does each source give a frame."""

from collections.abc import Iterator
from pathlib import Path

from edge_infer.errors import ModelError
from edge_infer.pipeline_settings import ModelSettings, PipelineSettings
from edge_infer.sources.audio_settings import MicrophoneSettings
from edge_infer.sources.sensor_settings import IioSettings, SerialSettings
from edge_infer.sources.settings import CameraSettings, PiCameraSettings
from edge_infer.tools.doctor.child import Answer, ask
from edge_infer.tools.doctor.daemon import Running
from edge_infer.tools.doctor.finding import Finding, fail, ok, skip, warn

_TAKEN = CameraSettings | PiCameraSettings | MicrophoneSettings | IioSettings | SerialSettings  # by one process
MODEL_S = 30.0  # importing the runtime and loading a large model from a cold SD card
SOURCE_S = 20.0  # as above, and a stream may take 3 s to open and 4 to give a frame
SUSPECT = (
    "see which file it is: run `edge-infer inspect` on it; a healthy file that does this is a fault of the runtime"
)


def uses_edgetpu(model: ModelSettings) -> bool:
    """Whether a model is for an Edge TPU, as far as names tell."""
    if model.device != "auto":
        return model.device.startswith("edgetpu")
    folder = model.path if model.path.is_dir() else model.path.parent
    stem = "*" if model.path.is_dir() else model.path.stem
    return "_edgetpu" in model.path.name or any(folder.glob(f"{stem}_edgetpu*"))


def check_model(config: Path, name: str, pipeline: PipelineSettings, running: Running) -> Iterator[Finding]:
    """The model of one pipeline, with its golden test."""
    what = f"model of {name}"
    if running and uses_edgetpu(pipeline.model):
        yield skip(what, "the daemon that runs has the Edge TPU")
        return
    yield from _of_model(what, pipeline.model, ask("model", str(config), name, seconds=MODEL_S))


def check_source(config: Path, name: str, pipeline: PipelineSettings, running: Running) -> Iterator[Finding]:
    """One frame of the source of one pipeline."""
    what = f"source of {name}"
    if running and isinstance(pipeline.source, _TAKEN):
        health = next((s.health.pipelines[name] for s in running.said if name in s.health.pipelines), None)
        yield skip(what, f"the daemon that runs has it{f': {health.state}, {health.fps_in:.1f} fps' if health else ''}")
        return
    yield _of_source(what, ask("source", str(config), name, seconds=SOURCE_S))


def _of_model(what: str, model: ModelSettings, answer: Answer) -> Iterator[Finding]:
    said = answer.said
    if answer.died:
        yield fail(
            what, f"{model.path}: it {answer.died}{answer.last_words}", SUSPECT, f"edge-infer inspect {model.path}"
        )
    elif "error" in said:
        yield fail(what, said["error"], *_mend(model, said["exit_code"]), said["exit_code"])
    elif said["trouble"]:
        yield warn(what, said["detail"], "the CPU does the work meanwhile; see to the Edge TPU above")
    else:
        yield ok(what, said["detail"])
    if said.get("for_edgetpu") and not said.get("for_cpu"):
        yield warn(
            what,
            "it has a file for the Edge TPU only: nothing runs while that fails",
            "put the .tflite that it was compiled from beside it, or into the bundle (docs/bundle.md)",
        )


def _mend(model: ModelSettings, exit_code: int) -> tuple[str, str]:
    if exit_code == ModelError.exit_code:
        return "copy the model anew, or correct what the configuration says of it", f"edge-infer inspect {model.path}"
    if model.device.startswith("edgetpu"):
        return "see to the Edge TPU above, or set model.device: auto, so that the CPU can do its work meanwhile", ""
    return "correct model.path, model.labels or model.runtime", ""


def _of_source(what: str, answer: Answer) -> Finding:
    if answer.died:
        fix = "its driver or the camera hangs: unplug it and plug it in again, or restart the camera"
        return fail(what, f"it {answer.died}{answer.last_words}", fix)
    if "error" in answer.said:
        return fail(
            what,
            answer.said["error"],
            "correct uri, size or fourcc of the source",
            "edge-infer devices",
            answer.said["exit_code"],
        )
    return ok(what, answer.said["detail"])
