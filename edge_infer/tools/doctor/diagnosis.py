"""All that the doctor looks at, in the order in which it is told."""

import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_infer.errors import ConfigError, EdgeInferError, UnavailableError
from edge_infer.tools.doctor.finding import Finding, fail, ok, skip, warn

if TYPE_CHECKING:
    from edge_infer.settings import Settings
    from edge_infer.tools.doctor.daemon import Running

QUICK_S = 5.0  # files of the kernel, and programs that answer at once
LONG_S = 60.0  # what asks processes or hosts, with deadlines of its own
ROOT = Path("/")


def diagnose(config: Path | None, root: Path = ROOT) -> Iterator[Finding]:
    """Look at everything; what fails, hangs or is not installed keeps nothing else from being looked at.

    Most of it at once, models last and one by one, since they are timed.
    """
    path, settings, found = _configuration(config)
    yield from found
    running = _running(settings, root)
    looks = [Look(*check) for check in _checks(path, settings, running, root)]
    for look in looks:
        look.start()
    for look in looks:
        yield from look.findings()
    for name, pipeline in settings.pipelines.items() if settings else ():
        look = Look(f"model of {name}", _later("pipelines", "check_model", path, name, pipeline, running), LONG_S)
        look.start()
        yield from look.findings()


@dataclass
class Look:
    """One check in a thread of its own, which is left behind if it hangs."""

    what: str
    check: Callable[[], Iterable[Finding]]
    seconds: float = QUICK_S
    _found: list[Finding] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name=f"doctor:{self.what}", daemon=True)
        self._deadline = time.monotonic() + self.seconds
        self._thread.start()

    def findings(self) -> list[Finding]:
        """What it found until its deadline."""
        self._thread.join(max(0.0, self._deadline - time.monotonic()))
        hung = [warn(self.what, f"no answer within {self.seconds:.0f} s", "see what hangs: `dmesg | tail`")]
        return list(self._found) + (hung if self._thread.is_alive() else [])

    def _run(self) -> None:
        try:
            for finding in self.check():
                self._found.append(finding)  # one by one: what was found before it hangs counts
        except ImportError as error:
            command = f"{sys.executable} -m pip install --force-reinstall edge-infer"
            self._found.append(fail(self.what, f"a package is missing or damaged: {error}", "install it anew", command))
        except EdgeInferError as error:
            self._found.append(fail(self.what, str(error), "do what the message says", exit_code=error.exit_code))
        except Exception as error:  # noqa: BLE001 - a machine that is broken in a way that nobody thought of
            what = f"cannot be looked at: {type(error).__name__}: {error}"
            self._found.append(warn(self.what, what, "please report this, it is a fault of ours"))


def _checks(
    path: Path | None, settings: "Settings | None", running: "Running | None", root: Path
) -> Iterator[tuple[str, Callable[[], Iterable[Finding]], float]]:
    """What can be looked at at the same time: name, check, deadline."""
    yield "machine", _later("machine", "check_machine", root), QUICK_S
    yield "python", _later("python", "check_python", root), QUICK_S
    yield "packages", _later("python", "check_packages"), QUICK_S
    yield "runtime", _later("runtime", "check_runtime"), LONG_S
    yield "cpu", _later("cpu", "check_cpu", root), QUICK_S
    yield "memory", _later("memory", "check_memory", root), QUICK_S
    yield "shared memory", _later("memory", "check_shared_memory"), QUICK_S
    yield "limits", _later("memory", "check_limits", root), QUICK_S
    yield "power", _later("power", "check_power", root), QUICK_S
    yield "temperature", _later("power", "check_temperature", root), QUICK_S
    yield "disk wear", _later("power", "check_wear", root), QUICK_S
    yield "clock", _later("clock", "check_clock", root), QUICK_S
    yield "edge tpu", _later("accelerator", "check_edgetpus", settings, root, running=bool(running)), LONG_S
    yield "cameras", _later("camera", "check_cameras", settings, root, running=bool(running)), LONG_S
    yield "microphones", _later("microphone", "check_microphones", settings, root), LONG_S
    yield "sensors", _later("sensor", "check_sensors", settings, root), QUICK_S
    yield "disk", _later("disk", "check_disk", settings, root), QUICK_S
    if settings and settings.mqtt:
        known = {"running": bool(running)}
        yield "broker", _later("broker", "check_broker", settings.mqtt, settings.device.id, **known), LONG_S
    if running:
        yield "daemon", _later("daemon", "check_daemon", running), QUICK_S
    yield "service", _later("service", "check_service", path, settings), QUICK_S
    for name, pipeline in settings.pipelines.items() if settings else ():
        yield f"source of {name}", _later("pipelines", "check_source", path, name, pipeline, running), LONG_S


def _later(module: str, function: str, *arguments: Any, **named: Any) -> Callable[[], Iterable[Finding]]:
    """A check that is imported when it is made: a package that is missing concerns the checks that need it alone."""

    def check() -> Iterable[Finding]:
        found = getattr(importlib.import_module(f"{__package__}.{module}"), function)
        return found(*arguments, **named)  # type: ignore[no-any-return]

    return check


def _configuration(path: Path | None) -> tuple[Path | None, "Settings | None", list[Finding]]:
    """The file, what it says, and what is wrong with it."""
    what = "configuration"
    try:
        from edge_infer.settings import find_config, load_settings

        found = find_config(path)
        settings = load_settings(found)
        settings.commands.token()
    except ConfigError as error:
        fix = "correct this line; docs/configuration.md explains each key"
        return (
            None,
            None,
            [
                fail(what, f"{error.path}:{p.line}:{p.column}: {p.message}", fix, exit_code=error.exit_code)
                for p in error.problems
            ],
        )
    except UnavailableError as error:
        if path is None and "there is no configuration" in str(error):
            return None, None, [skip(what, "none: broker, models and sources are not tried")]
        return None, None, [fail(what, str(error), "name a file that is there and can be read")]
    except ImportError as error:
        command = f"{sys.executable} -m pip install --force-reinstall edge-infer"
        return None, None, [fail(what, f"a package is missing or damaged: {error}", "install it anew", command)]
    pipelines = f"{len(settings.pipelines)} pipeline{'s' if len(settings.pipelines) > 1 else ''}"
    return found, settings, [ok(what, f"{found} is in order: device '{settings.device.id}', {pipelines}")]


def _running(settings: "Settings | None", root: Path) -> "Running | None":
    """The daemon on this machine; None where it cannot be known."""
    try:
        from edge_infer.tools.doctor.daemon import find_running

        return find_running(settings, root)
    except (ImportError, OSError):
        return None
