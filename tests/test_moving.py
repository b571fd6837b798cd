"""Models that have become slower than they were measured are moved, once, and results go on."""

import dataclasses
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from evidenced import costs, kept, two_compiled
from fake_tpu import FakeTpu
from msgspec.structs import replace
from scripted import ScriptedSource, Step
from waiting import DEADLINE, until

from edge_infer import moving as module
from edge_infer.assigning import Moved
from edge_infer.daemon import Daemon
from edge_infer.errands import Errands
from edge_infer.evidence import Evidence, read_evidence
from edge_infer.moving import Moving
from edge_infer.pipelines import Pipelines
from edge_infer.placing import choice
from edge_infer.plan.points import CPU
from edge_infer.runtime.delegate import Accelerator
from edge_infer.runtime.interpreter import InterpreterRuntime
from edge_infer.settings import load_settings
from edge_infer.types import Frame, Result
from edge_infer.wire.machine import MachineHealth

TPU = Accelerator("usb", "/sys/bus/usb/devices/1-1")
USB, SECOND = "edgetpu:usb:0", "edgetpu:usb:1"
SLOW_S = 0.2
MOVES, STAYS = "a pipeline moves to another device", "a pipeline stays where it is"
SLOWER = "inference is slower than it was measured"
READ = "the configuration was read again"
CONFIG = """
version: 1
device: {{id: porch, state_dir: {folder}}}
health: {{interval_s: 0.5}}
pipelines:
  one:
    source: {{kind: camera, uri: /dev/video0}}
    model: {{path: {a}, delegate: {delegate}}}
  two:
    source: {{kind: camera, uri: /dev/video1}}
    model: {{path: {b}, delegate: {delegate}}}
"""
pytestmark = pytest.mark.usefixtures("plugged_in", "often", "no_thread_is_left_behind")


class Slowness:
    """Models on the CPU take longer as long as this is so."""

    now = False


@pytest.fixture
def slowness(monkeypatch: pytest.MonkeyPatch) -> Slowness:
    found, run = Slowness(), InterpreterRuntime.run

    def slow(*arguments: Any) -> Any:
        if found.now:
            time.sleep(SLOW_S)
        return run(*arguments)

    monkeypatch.setattr(InterpreterRuntime, "run", slow)
    return found


@pytest.fixture
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_infer.runtime.pool.find_accelerators", lambda: [TPU])
    for room in ("assigning", "placing", "departing"):
        monkeypatch.setattr(f"edge_infer.{room}.cores", lambda: 4)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.2)
    monkeypatch.setattr("edge_infer.departing.ENOUGH", 4)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What came of each time that it was looked for a better place."""
    found: list[object] = []
    find = module._find

    def looking(*arguments: Any) -> Any:
        found.append(find(*arguments))
        return found[-1]

    monkeypatch.setattr(module, "_find", looking)
    return found


class Cameras:
    """Each gives a hundred frames a second, no two with the same number, however often it is opened."""

    def __init__(self) -> None:
        self.live = True
        self.opened: list[Any] = []  # the settings
        self._numbers: dict[str, Iterator[int]] = {}

    def __call__(self, settings: object, name: str) -> ScriptedSource:
        self.opened.append(settings)
        return ScriptedSource(self._steps(self._numbers.setdefault(name, itertools.count())), live=self.live)

    def _steps(self, numbers: Iterator[int]) -> Iterator[Step]:
        while True:
            yield lambda: time.sleep(0.01)  # that is how fast it is
            yield next(numbers)


@pytest.fixture(autouse=True)
def cameras(monkeypatch: pytest.MonkeyPatch) -> Cameras:
    found = Cameras()
    monkeypatch.setattr("edge_infer.pipelines.make_source", found)
    return found


def evidence(path: Path, usb: float = 2450.0) -> dict[Path, Evidence]:
    """Each is asked every 5 s: both in time on the TPU, which has too much to do then; on the CPU only just in time.

    Nothing of it has to do with how fast this machine is, but that an inference takes 100 ms on the CPU at most.
    """

    def with_inference(one: Evidence) -> Evidence:
        points = [replace(point, infer_p90_ms=100.0 if point.device == CPU else 2000.0) for point in one.points]
        return replace(one, points=tuple(points), source_fps=0.2)

    return {file: with_inference(one) for file, one in costs(4960, usb, usb, 1000, path).items()}


def figures(models: Path, folder: Path, tpu: FakeTpu, **more: Any) -> Path:
    """A configuration whose models were measured, one of which is placed on the CPU."""
    a, b = two_compiled(models, folder)
    kept(folder, evidence(a, **more), evidence(b, **more))
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(folder=folder, a=a, b=b, delegate=tpu.library))
    return path


def test_a_daemon_moves_the_pipeline_that_has_become_slower_once_and_no_frame_is_lost_silently(
    models: Path,
    tmp_path: Path,
    tpu: FakeTpu,
    slowness: Slowness,
    looks: list[object],
    cameras: Cameras,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path, shown = figures(models, tmp_path, tpu), Counter[tuple[str, int]]()
    devices: dict[str, str] = {}

    def show(name: str, frame: Frame, result: Result) -> None:
        shown[name, frame.number] += 1
        devices[name] = result.device

    daemon = Daemon(load_settings(path), file=path, show=[show])
    pipelines = list(daemon.pipelines)
    thread = threading.Thread(target=daemon.run, name="main of a daemon")
    caplog.set_level("INFO")
    thread.start()
    try:
        until(lambda: sorted(devices.values()) == [CPU, USB])
        (moved,) = (name for name, device in devices.items() if device == CPU)
        slowness.now = True
        until(lambda: devices[moved] == USB, what="a result from the other device")
        (one,) = (record for record in caplog.records if record.message == MOVES)
        assert (one.pipeline, one.to, getattr(one, "from")) == (moved, USB, CPU)  # type: ignore[attr-defined]
        assert one.p90_ms > SLOW_S * 1e3 > one.measured_ms == 100.0  # type: ignore[attr-defined]
        slowness.now = False
        info = daemon._report.status
        until(lambda: {each.device for each in info().info.pipelines.values()} == {USB})
        looked = len(looks)
        until(lambda: len(looks) > looked + 2, what="more looks")
        assert (list(daemon.pipelines), len(cameras.opened)) == (pipelines, 2), "nothing else begins anew"
        daemon.reload()
        until(lambda: caplog.messages.count(READ) == 1)
        path.write_text(path.read_text().replace("/dev/video1}", "/dev/video1}\n    snapshot_s: 60"))
        daemon.reload()
        until(lambda: caplog.messages.count(READ) == 2)
        pipelines += daemon.pipelines
        before = shown.total()
        until(lambda: shown.total() > before + 20)
    finally:
        daemon.stop()
        thread.join(DEADLINE)
    reads: list[Any] = [record for record in caplog.records if record.message == READ]
    assert [(one.restarted, one.unchanged) for one in reads] == [("", "one,two"), ("two", "one")]
    assert caplog.messages.count(MOVES) == 1
    assert set(shown.values()) == {1}
    assert daemon.pipelines.results == shown.total()
    for pipeline in set(pipelines):
        assert pipeline.intake.frames == pipeline.results + pipeline.intake.drops.total()
    assert {pipeline.name: pipeline.model.device for pipeline in daemon.pipelines if pipeline.model} == {
        "one": USB,
        "two": USB,
    }


class Loop:
    """The main loop of a daemon, with no more in it than moves models."""

    def __init__(self, path: Path) -> None:
        settings = load_settings(path)
        self.pipelines = Pipelines(settings.pipelines, *(lambda *_: None,) * 3, state_dir=settings.device.state_dir)
        self.errands = Errands()
        self.moving = Moving(self.pipelines, self.errands)

    def until(self, condition: Callable[[], object]) -> None:
        def turn() -> object:
            self.errands.do_next(0.01)
            self.pipelines.feel(MachineHealth())
            self.moving.turn(reloading=False)
            return condition()

        until(turn)

    @property
    def devices(self) -> dict[str, str]:
        return {pipeline.name: pipeline.model.device for pipeline in self.pipelines if pipeline.model}

    def __enter__(self) -> Self:
        self.pipelines.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.pipelines.stop()


def test_a_model_that_does_not_load_on_the_better_device_stays_and_that_is_told_once(
    models: Path,
    tmp_path: Path,
    tpu: FakeTpu,
    slowness: Slowness,
    looks: list[Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge_infer.runtime.pool.find_accelerators", lambda: [TPU, TPU])
    monkeypatch.setenv("FAKE_EDGETPU_COUNT", "1")  # one of them refuses
    with Loop(figures(models, tmp_path, tpu, usb=4950.0)) as loop:
        loop.until(lambda: set(loop.devices.values()) == {CPU})
        slowness.now = True
        loop.until(lambda: sorted(loop.devices.values()) == [CPU, USB])
        looked = len(looks)
        loop.until(lambda: len(looks) > looked + 2)
        assert sorted(loop.devices.values()) == [CPU, USB]
        slowness.now = False
    stays = [record for record in caplog.records if record.message.startswith(STAYS)]
    assert [(one.to, getattr(one, "from")) for one in stays] == [(SECOND, CPU)] * 2  # type: ignore[attr-defined]
    assert {one.pipeline for one in stays} == {"one", "two"}  # type: ignore[attr-defined]
    given_up = [move for move in looks if move and move.refused]
    assert given_up
    assert all(model._closed for move in given_up for models in move.models.values() for model in models)
    assert caplog.messages.count(MOVES) == 1


@pytest.mark.parametrize("why", ["no accelerator", "files", "one stands in"])
def test_where_nothing_can_be_moved_the_log_says_that_it_is_slow_and_all_stays(
    why: str,
    models: Path,
    tmp_path: Path,
    tpu: FakeTpu,
    slowness: Slowness,
    cameras: Cameras,
    looks: list[Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cameras.live = why != "files"  # which would begin anew
    path = figures(models, tmp_path, tpu)
    if why == "no accelerator":
        monkeypatch.setattr("edge_infer.runtime.pool.find_accelerators", list)
        path.write_text(path.read_text().replace(", delegate: ", ", device: cpu, delegate: "))
    with Loop(path) as loop:
        loop.until(lambda: len(loop.devices) == 2)
        if why == "one stands in":
            tpu.unplug()
            loop.until(lambda: set(loop.devices.values()) == {CPU})
        before, running, slowness.now = loop.devices, set(loop.pipelines), True
        loop.until(lambda: SLOWER in " ".join(caplog.messages) and len(looks) > 2)
        assert looks == [None] * len(looks)
        assert (loop.devices, set(loop.pipelines)) == (before, running)
        slowness.now = False


@pytest.mark.slow
def test_a_device_that_nobody_has_seen_to_be_slow_for_long_gets_a_model_again(
    models: Path, tmp_path: Path, tpu: FakeTpu, slowness: Slowness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED_S", 1.0)
    with Loop(figures(models, tmp_path, tpu)) as loop:
        loop.until(lambda: sorted(loop.devices.values()) == [CPU, USB])
        slowness.now = True
        loop.until(lambda: set(loop.devices.values()) == {USB})
        slowness.now = False
        loop.until(lambda: sorted(loop.devices.values()) == [CPU, USB])


def test_what_a_command_has_set_is_so_after_a_move(
    models: Path, tmp_path: Path, tpu: FakeTpu, cameras: Cameras
) -> None:
    path = figures(models, tmp_path, tpu)
    path.write_text(path.read_text().replace("/dev/video0", "/dev/video0, fps: 30"))
    with Loop(path) as loop:
        until(lambda: len(loop.devices) == 2)
        loop.pipelines.tune("one", {"fps": 4.0, "max_frame_age_s": 2.0})
        found = choice(loop.pipelines.settings, read_evidence(tmp_path))
        assert found
        opened = len(cameras.opened)
        more = dataclasses.replace(loop.pipelines.assigned["one"], workers=2)
        loop.pipelines.move(Moved(found, found.best().device_of), {"one": more}, {"one": []})
        until(lambda: len(cameras.opened) > opened)
        assert cameras.opened[-1].fps == 30.0
        (one,) = (pipeline for pipeline in loop.pipelines if pipeline.name == "one")
        assert (one.intake.limit._period_ns, one.intake.max_age_s) == (250_000_000, 2.0)
        assert loop.pipelines.tune("one", {"fps": 30.0})["old"] == {"fps": 4.0}
