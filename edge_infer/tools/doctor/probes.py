"""What `child.ask` runs: `python -m edge_infer.tools.doctor.probes PROBE ARGUMENT...`, one line of JSON a step."""

import ctypes
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from edge_infer.errors import EdgeInferError

Steps: TypeAlias = Iterator[dict[str, Any]]

PR_SET_PDEATHSIG = 1  # Source: linux/prctl.h
RUNS = 20  # inferences to take the median of
LIBRARIES = ("numpy", "cv2")


def runtime() -> Steps:
    """Import what every inference needs, then run the model that ships on the bare runtime."""
    for name in LIBRARIES:
        yield {"importing": name}
        yield {name: importlib.import_module(name).__version__}
    yield {"importing": "the TFLite runtime"}
    from edge_infer.runtime.libraries import find_library

    library = find_library()
    yield {"library": library.name, "version": library.version, "importing": None}
    from edge_infer.bundle.bundle import open_bundle
    from edge_infer.tools.demo import find_bundle

    bundle = open_bundle(find_bundle())
    interpreter = library.interpreter(model_path=str(bundle.path), num_threads=1)
    interpreter.allocate_tensors()
    yield {"ms": _median_ms(interpreter.invoke)}


def module(name: str) -> Steps:
    """Import one module."""
    importlib.import_module(name)
    yield {"imported": name}


def edgetpu(device: str, path: str) -> Steps:
    """Load the Edge TPU's library, then take and give back one Edge TPU."""
    library = ctypes.CDLL(path)
    if hasattr(library, "edgetpu_version"):  # Source: libedgetpu, tflite/public/edgetpu_c.h
        library.edgetpu_version.restype = ctypes.c_char_p
        yield {"says": library.edgetpu_version().decode(errors="replace")}
    from edge_infer.runtime.delegate import load_edgetpu
    from edge_infer.runtime.libraries import find_library

    found = find_library()
    yield {"runtime": str(found)}
    if device:
        started = time.perf_counter()
        load_edgetpu(found, device, path)
        yield {"opened_s": round(time.perf_counter() - started, 2)}


def model(config: str, pipeline: str) -> Steps:
    """Load the model of a pipeline, and hold it to its golden test."""
    from edge_infer.bundle.bundle import open_bundle
    from edge_infer.settings import load_settings
    from edge_infer.tools.trial import model_trial

    settings = load_settings(Path(config)).pipelines[pipeline]
    bundle = open_bundle(settings.model.path)
    yield {"for_cpu": bundle.cpu is not None, "for_edgetpu": bundle.edgetpu is not None}
    trial = model_trial(settings)
    yield {"detail": trial.detail, "trouble": trial.trouble}


def source(config: str, pipeline: str) -> Steps:
    """Take one frame of the source of a pipeline."""
    from edge_infer.settings import load_settings
    from edge_infer.tools.trial import source_trial

    yield {"detail": source_trial(load_settings(Path(config)).pipelines[pipeline]).detail}


PROBES: dict[str, Callable[..., Steps]] = {probe.__name__: probe for probe in (runtime, module, edgetpu, model, source)}


def _median_ms(run: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return round(sorted(times)[RUNS // 2] * 1e3, 2)


def main(name: str, *arguments: str) -> None:
    """Run a probe; what it says goes to stdout, what libraries print to stderr."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    out = os.dup(1)
    os.dup2(2, 1)
    try:
        for step in PROBES[name](*arguments):
            os.write(out, json.dumps(step).encode() + b"\n")
    except EdgeInferError as error:
        os.write(out, json.dumps({"error": str(error), "exit_code": error.exit_code}).encode() + b"\n")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is wrong
        said = {"error": f"{type(error).__name__}: {error}", "exit_code": EdgeInferError.exit_code}
        os.write(out, json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # a driver that hangs while Python shuts down would hide the answer
