"""What starts fast, because it loads nothing heavy."""

import os
import subprocess
import sys

import pytest

HEAVY = {"numpy", "cv2", "ai_edge_litert", "tflite_runtime", "paho", "yaml", "psutil", "prometheus_client"}


def loaded(*arguments: str) -> set[str]:
    """Top-level modules that a fresh Python loads for this command line."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    lines = [line for line in ended.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().split(".")[0] for line in lines}


def test_importing_the_package_loads_nothing_heavy() -> None:
    modules = loaded("-c", "import edge_infer; edge_infer.__version__")
    assert "edge_infer" in modules
    assert not modules & HEAVY


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["watch", "--help"], ["status", "--help"]], ids=" ".join
)
def test_a_command_that_only_talks_loads_nothing_heavy(arguments: list[str]) -> None:
    modules = loaded("-m", "edge_infer", *arguments)
    assert "edge_infer" in modules
    assert not modules & HEAVY


def test_a_configuration_is_read_without_what_models_need() -> None:
    assert not loaded("-c", "import edge_infer.settings") & {"numpy", "cv2", "ai_edge_litert", "tflite_runtime"}


def test_a_daemon_is_there_without_what_few_configurations_use() -> None:
    unused = ("psutil", "importlib.metadata", "statistics", "prometheus_client", "tqdm", "sounddevice", "serial")
    ours = ("analysing", "keeping", "recording", "showing", "gallery", "tools", "sources.video", "kinds.yolo")
    program = (
        "import sys, edge_infer.daemon; from edge_infer.runtime.libraries import find_library; find_library();"
        "print(*sys.modules, sep='\\n')"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    modules = set(ended.stdout.split())
    assert {"numpy", "cv2", "paho.mqtt.client"} <= modules
    assert not modules & {*unused, *(f"edge_infer.{name}" for name in ours)}


def test_the_command_keeps_linear_algebra_on_one_thread_unless_told_otherwise() -> None:
    program = (
        "import os, sys; sys.argv[1:] = ['--version']\n"
        "from edge_infer.cli.main import entry\n"
        "try: entry()\n"
        "except SystemExit: print(os.environ['OPENBLAS_NUM_THREADS'])"
    )
    for said, found in (({}, "1"), ({"OPENBLAS_NUM_THREADS": "3"}, "3")):
        environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"} | said
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, env=environment
        )
        assert ended.stdout.split()[-1] == found


def test_what_a_daemon_has_loaded_is_no_longer_searched_for_garbage() -> None:
    program = (
        "import gc; from edge_infer.cli.main import main; main(['run', '--config', '/not/there.yaml']);"
        "print(gc.isenabled(), gc.get_freeze_count() > 10_000)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "True True\n"


def test_a_name_of_the_package_is_loaded_when_it_is_used() -> None:
    assert {"numpy", "cv2"} <= loaded("-c", "import edge_infer; edge_infer.load")


def test_a_device_never_loads_the_collector() -> None:
    program = (
        "import sys, edge_infer.daemon; print([m for m in sys.modules if m.startswith(('edge_infer.coll', 'psyc'))])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "[]\n"
