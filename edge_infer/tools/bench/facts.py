"""What a figure is worth nothing without: on which machine, in which state, with which libraries and which model."""

import os
import platform
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_infer import __version__
from edge_infer.bundle.model_file import EDGETPU_OPERATOR, ModelFile
from edge_infer.health.hardware import ROOT, temperature_c, throttling
from edge_infer.health.process import cores
from edge_infer.model import Model
from edge_infer.runtime.libraries import find_library
from edge_infer.tools.bench.record import Delegated, MachineFacts, ModelFacts
from edge_infer.tools.doctor.cpu import CORES
from edge_infer.tools.doctor.machine import read_machine
from edge_infer.tools.doctor.reading import pairs, text
from edge_infer.tools.local_broker import find_mosquitto
from edge_infer.types import TensorSpec

DELEGATE = "DELEGATE"  # Source: how the runtimes name the operator that stands for what a delegate took
GIT_S = 5.0


def machine_facts(state_dir: str | None, root: Path = ROOT) -> MachineFacts:
    """Of this machine, now."""
    machine = read_machine(root)
    info = pairs(root / "proc/cpuinfo")
    slowed = throttling(root)
    return MachineFacts(
        board=machine.board or None,
        processor=info.get("model name") or CORES.get(info.get("CPU part", "")),
        arch=machine.arch,
        cores=cores(),
        memory_bytes=_memory(root),
        system=machine.system or None,
        kernel=machine.kernel or None,
        governor=text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or None,
        load=round(os.getloadavg()[0], 2),
        temperature_c=temperature_c(root),
        throttled_now=slowed.now if slowed else None,
        throttled_since_boot=slowed.since_boot if slowed else None,
        runtime=str(find_library()),
        python=platform.python_version(),
        numpy=np.__version__,
        opencv=str(cv2.__version__),
        edge_infer=__version__,
        commit=_commit(),
        outbox_on=_file_system(Path(state_dir or _temporary()), root),
        broker=_broker(),
    )


def _memory(root: Path) -> int | None:
    words = pairs(root / "proc/meminfo").get("MemTotal", "").split()
    return int(words[0]) * 1024 if words and words[0].isdecimal() else None


def _temporary() -> str:
    import tempfile

    return tempfile.gettempdir()


def _file_system(folder: Path, root: Path) -> str | None:
    """What holds a folder: ext4, tmpfs (which is memory), ..."""
    found = {}
    for line in text(root / "proc/mounts").splitlines():
        _, mount, kind, *_ = [*line.split(), "", "", ""]
        if mount and folder.resolve().is_relative_to(mount):
            found[len(mount)] = kind
    return found[max(found)] if found else None


def _commit() -> str | None:
    """The commit of the clone that the package runs from, `+` where it was changed."""
    folder = Path(__file__).resolve().parents[2]
    with suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=GIT_S, check=True).stdout.strip()
        known = ["git", "-C", str(folder), "ls-files", "--error-unmatch", "__init__.py"]  # else it is installed in one
        subprocess.run(known, capture_output=True, timeout=GIT_S, check=True)
        return said or None
    return None


def _broker() -> str | None:
    """Name and version of the broker that is started for the measurement."""
    program = find_mosquitto()
    if program is None:
        return None
    with suppress(OSError, subprocess.TimeoutExpired):
        said = subprocess.run([program, "-h"], capture_output=True, text=True, timeout=GIT_S, check=False).stdout
        return said.splitlines()[0].removesuffix(" is an MQTT v5.0/v3.1.1/v3.1 broker.") if said else None
    return None


def model_facts(model: Model, file: ModelFile, interpreter: Any, shown: str) -> ModelFacts:
    """Of a model that is loaded; `interpreter` is the runtime's own with the same file."""
    return ModelFacts(
        sha256=model.id.sha256,
        bytes=file.size,
        task=model.task,
        device=model.device,
        graph=delegated(file, model.device, interpreter),
        inputs=tuple(_described(spec) for spec in model.runtime.inputs),
        shown=shown,
        fallback_reason=model.fallback_reason,
    )


def _described(spec: TensorSpec) -> str:
    return f"{'x'.join(map(str, spec.shape))} {spec.dtype}"


def delegated(file: ModelFile, device: str, interpreter: Any) -> Delegated:
    """How many of the file's operators run in a delegate: XNNPACK on the CPU, or the accelerator.

    An Edge TPU's file says itself what was compiled for it. Elsewhere each delegate's operator names what goes in and
    comes out: what computes the one from the other is what it took.
    """
    count = len(file.operators)
    if file.edgetpu:
        reason = "each part for the Edge TPU stands for operators that the compiler has taken"
        return Delegated(operators=count, parts=file.operators.count(EDGETPU_OPERATOR), reason=reason)
    try:
        nodes = interpreter._get_ops_details()  # noqa: SLF001 - the only place that tells, in both runtimes
    except AttributeError:
        return Delegated(operators=count, reason=f"the runtime does not say what runs on {device}")
    parts = [node for node in nodes if node["op_name"] == DELEGATE]
    makers = {int(out): number for number, node in enumerate(nodes) if node not in parts for out in node["outputs"]}
    taken = set[int]().union(*(_behind(nodes, makers, part) for part in parts)) if parts else set()
    return Delegated(operators=count, delegated=len(taken), parts=len(parts))


def _behind(nodes: list[dict[str, Any]], makers: dict[int, int], part: dict[str, Any]) -> set[int]:
    """The operators between a delegate's inputs and its outputs."""
    inputs, found = {int(tensor) for tensor in part["inputs"]}, set[int]()
    waiting = [int(tensor) for tensor in part["outputs"]]
    while waiting:
        tensor = waiting.pop()
        number = makers.get(tensor)
        if tensor in inputs or number is None or number in found:
            continue
        found.add(number)
        waiting += [int(each) for each in nodes[number]["inputs"]]
    return found
