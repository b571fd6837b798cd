"""What the main loop looks after, and what it tells systemd."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scripted import Harness, ScriptedSource, Step
from waiting import DEADLINE, until

from edge_infer import inferring
from edge_infer.errors import StalledError
from edge_infer.flow.heartbeat import Heartbeat
from edge_infer.health.growth import WINDOW, Growth
from edge_infer.settings import SuperviseSettings
from edge_infer.supervisor import Supervisor

SETTINGS = SuperviseSettings()


class Fleet(list[Any]):
    """Pipelines, as the supervisor knows them."""

    results = 0


@pytest.fixture
def publisher() -> SimpleNamespace:
    """A delivery that a test lets hang."""
    counts = SimpleNamespace(waiting=3)
    return SimpleNamespace(heartbeat=Heartbeat(), outbox=SimpleNamespace(counts=counts))


@pytest.fixture
def supervisor(publisher: Any) -> Iterator[Supervisor]:
    found = Supervisor(Fleet(), publisher, Growth())  # type: ignore[arg-type]
    yield found
    found.close()


def test_delivery_that_hangs_ends_the_process_with_all_stacks(
    supervisor: Supervisor, publisher: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    hangs, goes_on = threading.Event(), threading.Event()

    def body() -> None:
        with publisher.heartbeat.working("sending", 0.1):
            hangs.set()
            assert goes_on.wait(DEADLINE)

    thread = threading.Thread(target=body, name="deliver")
    thread.start()
    assert hangs.wait(DEADLINE)
    supervisor.turn(SETTINGS)

    def has_stalled() -> bool:
        try:
            supervisor.turn(SETTINGS)
        except StalledError as error:
            return "delivery hangs (sending)" in str(error)
        return False

    until(has_stalled)
    goes_on.set()
    thread.join(DEADLINE)
    shown = capfd.readouterr().err
    assert "Thread deliver, most recent call last" in shown
    assert "in body" in shown


def test_what_lasted_while_the_process_stood_still_does_not_count(
    supervisor: Supervisor, publisher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with publisher.heartbeat.working("sending", 60.0):
        supervisor.turn(SETTINGS)
        really = time.monotonic_ns
        monkeypatch.setattr(time, "monotonic_ns", lambda: really() + 3600 * 10**9)  # as after SIGSTOP and SIGCONT
        supervisor.turn(SETTINGS)
        monkeypatch.setattr(time, "monotonic_ns", really)


def test_on_a_machine_that_stands_still_again_and_again_a_hang_is_found(
    supervisor: Supervisor, publisher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    began_ns, lost_s, ran_s = time.monotonic_ns(), 0.0, 0.0
    monkeypatch.setattr(time, "monotonic_ns", lambda: began_ns + int((lost_s + ran_s) * 1e9))

    def goes_on() -> None:
        nonlocal lost_s, ran_s
        while ran_s < 100.0:
            lost_s += 1.2
            supervisor.turn(SETTINGS)
            ran_s += 0.9
            supervisor.turn(SETTINGS)

    with publisher.heartbeat.working("sending", 60.0):
        with pytest.raises(StalledError, match="delivery hangs"):
            goes_on()
        assert 60.0 < ran_s < 61.0


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (SuperviseSettings(max_rss_bytes=10_000_000), "more than supervise.max_rss_bytes"),
        (SuperviseSettings(max_open_files=50), "more than supervise.max_open_files"),
    ],
)
def test_a_process_that_runs_away_is_to_end(supervisor: Supervisor, limits: SuperviseSettings, said: str) -> None:
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(50)]
    try:
        with pytest.raises(StalledError, match=said):
            supervisor.turn(limits)
    finally:
        for file in files:
            os.close(file)


def test_steady_growth_is_a_reason_with_its_figure() -> None:
    growth = Growth()
    supervisor = Supervisor(Fleet(), None, growth)  # type: ignore[arg-type]
    for minute in range(WINDOW):
        growth.rss.add(minute * 60.0, 1e8 + minute * 1e6)
        growth.files.add(minute * 60.0, 20.0 + minute * 2)
    assert supervisor.growth_reasons(SETTINGS) == {
        "memory": "this process grows by 60 MB an hour",
        "open files": "this process gains 120 open files an hour",
    }
    assert supervisor.growth_reasons(SuperviseSettings(rss_growth_bytes_h=None, open_files_growth_h=None)) == {}
    supervisor.close()


def test_the_line_for_systemd_is_one_that_a_person_can_read(
    publisher: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = Fleet(SimpleNamespace(model=SimpleNamespace(device=device)) for device in ("edgetpu:usb", "cpu", "cpu"))
    supervisor = Supervisor(fleet, publisher, Growth())  # type: ignore[arg-type]
    lines: list[str] = []
    monkeypatch.setattr(supervisor._systemd, "status", lines.append)
    supervisor.tell({"door": "no frame for 5 s", "outbox": "the disk\ndoes not answer"})
    supervisor.tell({"door": "no frame for 5 s", "outbox": "the disk\ndoes not answer"})
    publisher.outbox.counts.waiting = 0
    supervisor.tell({})
    assert lines == [
        "3 pipelines, 0.0 fps on cpu and edgetpu:usb; 3 results wait; "
        "degraded: door: no frame for 5 s, outbox: the disk does not answer",
        "3 pipelines, 0.0 fps on cpu and edgetpu:usb",
    ]
    fleet.results = 100
    supervisor.count()
    assert " 0.0 fps" not in lines[-1]
    supervisor.close()


@pytest.mark.usefixtures("no_thread_is_left_behind")
def test_the_configured_limit_is_in_force_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()

    def steps() -> Iterator[Step]:
        while not end.is_set():
            yield from (0, lambda: end.wait(0.01))

    harness = Harness(ScriptedSource(steps(), live=True))
    fleet = Fleet([harness.pipeline])
    supervisor = Supervisor(fleet, None, Growth())  # type: ignore[arg-type]
    harness.pipeline.start()
    supervisor.turn(SuperviseSettings(infer_s=7.0))
    (stage,) = harness.pipeline._infer
    assert stage.patience.floor_s == 7.0
    supervisor.turn(SETTINGS)
    assert stage.patience.floor_s == inferring.INFER_S == SETTINGS.infer_s
    end.set()
    harness.stop()
    supervisor.close()
