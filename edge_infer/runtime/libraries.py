"""Which TFLite library runs the models."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge_infer.errors import UnavailableError

VARIABLE = "EDGE_INFER_RUNTIME"
# LiteRT first: the same interpreter's successor, and 10 to 17 times faster on int8 on x86-64 (docs/adr/0002).
KNOWN = {
    "ai_edge_litert": ("ai_edge_litert.interpreter", "ai-edge-litert"),
    "tflite_runtime": ("tflite_runtime.interpreter", "tflite-runtime"),
}
# It demands numpy 1, so it is not installed beside the newest LiteRT.
CORAL_ADVICE = "pip install 'edge-infer[coral]' into an environment of Python 3.11"


@dataclass(frozen=True, slots=True)
class Library:
    """One installed library: its module name, version, and the two things we use of it."""

    name: str
    version: str
    interpreter: Callable[..., Any]
    load_delegate: Callable[..., Any]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def find_library(name: str | None = None) -> Library:
    """The library that is asked for by `name` or by $EDGE_INFER_RUNTIME, else the first that is installed.

    Raises:
        UnavailableError: it is not installed, or not known.
    """
    wanted = name or os.environ.get(VARIABLE) or None
    if wanted and wanted not in KNOWN:
        raise UnavailableError(f"the runtime '{wanted}' is not known; choose one of {', '.join(KNOWN)}")
    failures = []
    for candidate in [wanted] if wanted else KNOWN:
        module_name, distribution = KNOWN[candidate]
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            failures.append(f"{candidate}: {error}")
            continue
        return Library(candidate, _version(candidate, distribution), module.Interpreter, module.load_delegate)
    advice = "pip install ai-edge-litert" if wanted != "tflite_runtime" else CORAL_ADVICE
    raise UnavailableError(f"no TFLite runtime ({'; '.join(failures)}); {advice}")


def _version(package: str, distribution: str) -> str:
    """Both packages say it themselves; asking the installer's records takes 10 ms more."""
    if said := getattr(importlib.import_module(package), "__version__", None):
        return str(said)
    from importlib.metadata import version

    return version(distribution)
