"""The accelerators that this process uses: each in one process of its own, shared by all models that run on it."""

import atexit
import itertools
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from weakref import WeakValueDictionary

from edge_infer.bundle.model_file import ModelFile
from edge_infer.runtime.delegate import EXTERNAL, await_firmware, find_accelerators
from edge_infer.runtime.isolated.job import Job
from edge_infer.runtime.isolated.launcher import close_launchers
from edge_infer.runtime.isolated.runtime import IsolatedRuntime
from edge_infer.runtime.isolated.unit import Unit
from edge_infer.runtime.libraries import Library

_units: dict[Hashable, Unit] = {}  # also those without a process now: what failed before is remembered
_jobs: WeakValueDictionary[Hashable, Job] = WeakValueDictionary()  # the same model is loaded once
_private = itertools.count()
_lock = threading.Lock()


def isolated(
    model: ModelFile,
    device: str,
    library: Library,
    *,
    delegate: str | None = None,
    options: Mapping[str, str] | None = None,
    threads: int = 1,
    deadline_s: float | None = None,
    alone: bool = True,
    shapes: tuple[tuple[int, ...], ...] = (),
) -> IsolatedRuntime:
    """A runtime on the accelerators that a device string means; `cpu`: in a process that nobody else uses.

    Raises:
        ModelError: the model is to blame.
    """
    with _lock:
        units = _select(device, library.name, delegate, dict(options or {}))
        key = (*units, model.path, model.sha256, threads, deadline_s, alone, shapes)
        job = _jobs.get(key) or Job(model, threads, deadline_s, alone, shapes)
        if not job.remembers:  # one that does has a single user
            _jobs[key] = job
    return IsolatedRuntime(job, units, _close_what_is_unused)


def accelerators() -> dict[str, Unit]:
    """Those that models are loaded on, by the name that results call them by."""
    with _lock:
        return {unit.name: unit for unit in _units.values() if unit.used and unit.device != "cpu"}


def meant(device: str) -> list[str]:
    """The accelerators that the system shows and a device string means, as results call them."""
    return [name for number, name in enumerate(_names()) if _means(device, number, name)]


def _select(device: str, library: str, delegate: str | None, options: dict[str, str]) -> list[Unit]:
    def unit(name: str, is_there: Callable[[], bool] = lambda: True, key: Hashable = None) -> Unit:
        key = (name, library, delegate, *options.items(), key)
        if key not in _units:
            _units[key] = Unit(
                name,
                library,
                device=name,
                delegate=delegate,
                options=options,
                is_there=is_there,
                await_firmware=await_firmware,
            )
        return _units[key]

    if device == "cpu":
        return [unit(device, key=next(_private))]
    if device == EXTERNAL:
        return [unit(device)]
    if chosen := meant(device):
        return [unit(name, lambda name=name: name in _names()) for name in chosen]  # type: ignore[misc]
    if device == "auto":
        return [unit("edgetpu", lambda: delegate is not None or bool(_names()), key=device)]
    return [unit(device)]  # the system may show less than libedgetpu finds


def _names() -> list[str]:
    """Those that the system shows, each as libedgetpu would call it by kind and number."""
    seen: Counter[str] = Counter()
    names = []
    for found in find_accelerators():
        names.append(f"edgetpu:{found.kind}:{seen[found.kind]}")
        seen[found.kind] += 1
    return names


def _means(device: str, number: int, name: str) -> bool:
    """Whether `auto` or `edgetpu[:usb|:pci][:N]` means this one, which is the `number`-th of all."""
    if device in ("auto", "edgetpu", name):
        return True
    if re.fullmatch(r"edgetpu:\d+", device):
        return device == f"edgetpu:{number}"
    return name.startswith(f"{device}:")


def _close_what_is_unused() -> None:
    with _lock:
        for key in [key for key, unit in _units.items() if unit.device == "cpu" and not unit.used]:
            del _units[key]
        if not any(unit.used for unit in _units.values()):
            close_launchers()


def close_all() -> None:
    """End all processes; without this they would be killed at exit, and not give their accelerators back."""
    for unit in list(_units.values()):
        unit.close()
    close_launchers()


atexit.register(close_all)
os.register_at_fork(after_in_child=_units.clear)  # they are not a copy's to use
