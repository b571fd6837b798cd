"""What starts fast, because it loads nothing heavy."""

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


def test_a_name_of_the_package_is_loaded_when_it_is_used() -> None:
    assert {"numpy", "cv2"} <= loaded("-c", "import edge_infer; edge_infer.load")


def test_a_device_never_loads_the_collector() -> None:
    program = (
        "import sys, edge_infer.daemon; print([m for m in sys.modules if m.startswith(('edge_infer.coll', 'psyc'))])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "[]\n"
