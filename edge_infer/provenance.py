"""With what a recording of inputs is made: settings, model, software, machine; no secret, no name of a machine."""

import os
import platform
import re
import time
from contextlib import suppress
from pathlib import Path

import cv2
import msgspec
import numpy as np

from edge_infer import __version__
from edge_infer.errors import UnavailableError
from edge_infer.health.process import board
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.runtime.libraries import find_library
from edge_infer.sources.address import mask
from edge_infer.tape.entries import Beginning, Tree
from edge_infer.types import ModelId

HIDDEN = "***"
_SECRET = re.compile(r"pass|pwd|secret|token|credential|auth|api_?key", re.IGNORECASE)


def beginning(pipeline: str, life: str, settings: PipelineSettings, model: ModelId) -> Beginning:
    """The first record of a file."""
    return Beginning(
        pipeline=pipeline,
        life=life,
        settings=shown(settings),
        model={"name": model.name, "version": model.version, "sha256": model.sha256},
        software=software(settings.model.runtime),
        machine=machine(),
        written_at=time.time(),
    )


def beginning_of_fusions(run: str, settings: dict[str, Tree]) -> Beginning:
    """The first record of a file of fusions, with the settings of each."""
    return Beginning(
        pipeline="",
        life=run,
        settings=settings,
        model={},
        software={"edge_infer": __version__, "python": platform.python_version()},
        machine=machine(),
        written_at=time.time(),
    )


def shown(settings: PipelineSettings) -> dict[str, Tree]:
    """The settings as plain values: paths to what is there are whole; of the source without secrets and folders."""
    source = msgspec.to_builtins(settings.source, enc_hook=lambda path: Path(path).name)
    plain: dict[str, Tree] = msgspec.to_builtins(settings, enc_hook=_text)
    return plain | {"source": _hidden("", source)}


def software(runtime: str | None) -> dict[str, str]:
    """Names and versions of all that decides what comes out."""
    found = {"edge_infer": __version__, "python": platform.python_version(), "numpy": np.__version__}
    with suppress(UnavailableError):
        found["runtime"] = str(find_library(runtime))
    return found | {"opencv": cv2.__version__}


def machine() -> dict[str, str]:
    """What kind of machine this is."""
    found = {"machine": platform.machine(), "system": platform.platform(), "cpus": str(os.cpu_count())}
    with suppress(OSError):
        found["board"] = board()
    return found


def _text(value: object) -> str:
    return str(value.absolute()) if isinstance(value, Path) and value.exists() else str(value)


def _hidden(name: str, value: Tree) -> Tree:
    if isinstance(value, str):
        return HIDDEN if _SECRET.search(name) else mask(value)
    if isinstance(value, list | tuple):
        return [_hidden(name, item) for item in value]
    if isinstance(value, dict):
        return {key: _hidden(f"{name}.{key}", item) for key, item in value.items()}
    return value
