"""Fixtures that tests of several rooms share."""

import ctypes
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from broker import Mosquitto, Subscriber
from fake_tpu import FakeTpu, owners
from hypothesis import settings
from waiting import until

from edge_infer.runtime.pool import close_all

# No timing is asserted, and a busy machine fails no test.
settings.register_profile("edge_infer", deadline=None)
settings.load_profile("edge_infer")

MEASURED = "measured"
LONGEST = ("test_soak.py", "test_booted_service.py")
TESTS = Path(__file__).resolve().parent
REPOSITORY = TESTS.parent


@pytest.fixture(autouse=platform.machine() == "armv7l")
def subnormal_numbers() -> None:
    """tflite-runtime's library leaves 32-bit ARM in flush-to-zero mode, in which Hypothesis draws no numbers."""
    default_environment = ctypes.c_void_p(-1)  # Source: glibc's bits/fenv.h, FE_DFL_ENV
    ctypes.CDLL("libm.so.6").fesetenv(default_environment)


@pytest.fixture(scope="session", autouse=True)
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A place of their own for what killed processes leave, which goes with the run."""
    tmp_path_factory.getbasetemp()  # pytest's stays outside, where it keeps the last three runs
    with (
        tempfile.TemporaryDirectory(prefix="edge-infer-tests-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(scope="session")
def testdata() -> Path:
    """Models and inputs that the repository cannot hold."""
    folder = Path(os.environ.get("EDGE_INFER_TESTDATA", REPOSITORY.parent / "shared" / "testdata"))
    if not folder.is_dir():
        pytest.skip("no test data: set EDGE_INFER_TESTDATA")
    return folder


@pytest.fixture(scope="session")
def models(testdata: Path) -> Path:
    return testdata / "models"


@pytest.fixture(scope="session")
def inputs(testdata: Path) -> Path:
    return testdata / "inputs"


@pytest.fixture(scope="session")
def fake_edgetpu(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of a delegate that stands in for libedgetpu (tests/native/fake_edgetpu.c)."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    library = tmp_path_factory.mktemp("native") / "libfake_edgetpu.so"
    source = TESTS / "native" / "fake_edgetpu.c"
    subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, source], check=True)
    return str(library)


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Takes a line with a figure, which the summary shows."""
    return lambda line: record_property(MEASURED, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the tests have measured."""
    reports = [report for each in ("passed", "failed") for report in terminalreporter.stats.get(each, [])]
    lines = {line for report in reports for name, line in report.user_properties if name == MEASURED}
    if lines:
        terminalreporter.section("measured")
        for line in sorted(lines):
            terminalreporter.line(line)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What lasts longest begins first, so that others run beside it."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture
def tpu(fake_edgetpu: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTpu]:
    """An accelerator that fails when it is told to; afterwards no process of it may be left."""
    fake = FakeTpu(fake_edgetpu, tmp_path)
    for name, value in fake.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("edge_infer.runtime.pool._units", {})  # what failed in other tests is not remembered
    yield fake
    try:
        until(lambda: not owners(), what=f"the end of {owners()}")
    finally:
        close_all()


@pytest.fixture(autouse=True)
def _logs_are_restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that is called in this process sends its logs and its threads' ends elsewhere."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def no_thread_is_left_behind() -> Iterator[None]:
    """Fails a test whose pipeline still runs at its end."""
    yield
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith(("source:", "infer:"))])


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
def subscriber(mosquitto: Mosquitto) -> Iterator[Subscriber]:
    with Subscriber(mosquitto.port) as subscriber:
        yield subscriber
