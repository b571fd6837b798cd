"""What a report says of its machine and its models."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from health.boards import PI_5, planted, with_vcgencmd

import edge_infer
from edge_infer.bundle.model_file import read_model
from edge_infer.loading import load
from edge_infer.runtime.libraries import find_library
from edge_infer.runtime.quiet import caught_stderr
from edge_infer.tools.bench.contenders import make_interpreter
from edge_infer.tools.bench.facts import delegated, machine_facts
from edge_infer.tools.bench.given import given
from edge_infer.tools.bench.record import Delegated, Settings

SHIPPED = Path(__file__).resolve().parents[2] / "models"
PI = PI_5 | {
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "proc/cpuinfo": "processor\t: 0\nCPU part\t: 0xd0b\n",
    "proc/meminfo": "MemTotal:        8245360 kB\n",
    "proc/sys/kernel/osrelease": "6.6.31+rpt-rpi-2712\n",
    "proc/sys/kernel/arch": "aarch64\n",
    "proc/mounts": "/dev/mmcblk0p2 / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
}


def test_a_board_is_described_as_it_is_now(tmp_path: Path) -> None:
    root = with_vcgencmd(planted(tmp_path, PI), '[ "$1" = get_throttled ] && echo throttled=0x80008')
    said = machine_facts("/tmp", root)
    assert (said.board, said.processor, said.arch) == ("Raspberry Pi 5 Model B Rev 1.0", "Cortex-A76", "aarch64")
    assert (said.kernel, said.governor, said.temperature_c) == ("6.6.31+rpt-rpi-2712", "ondemand", 48.7)
    assert said.throttled_now == said.throttled_since_boot == ("soft_temperature_limit",)
    assert said.memory_bytes == 8245360 * 1024
    assert said.outbox_on == "tmpfs", "an outbox in memory is no durable one, and that is said"
    assert machine_facts("/srv", root).outbox_on == "ext4"
    assert (said.runtime, said.edge_infer) == (str(find_library()), edge_infer.__version__)
    assert said.commit is None or re.fullmatch(r"[0-9a-f]{12}\+?", said.commit)


def test_what_a_machine_does_not_say_is_null(tmp_path: Path) -> None:
    said = machine_facts(None, tmp_path)
    unknown = (
        "board",
        "processor",
        "kernel",
        "governor",
        "temperature_c",
        "throttled_now",
        "memory_bytes",
        "outbox_on",
    )
    assert [getattr(said, name) for name in unknown] == [None] * len(unknown)


@pytest.mark.parametrize("name", ["face-detection", "activity"])
def test_the_operators_that_a_delegate_takes_are_counted(name: str) -> None:
    settings = Settings(scenarios=())
    with load(SHIPPED / name, device="cpu") as model, caught_stderr():
        what = given(SHIPPED / name, model, SHIPPED / name / "model.tflite", settings)
        file = read_model(what.file)
        said = delegated(file, "cpu", make_interpreter(what, settings))
    assert said.operators == len(file.operators)
    assert said.delegated is not None
    assert said.parts is not None
    if find_library().name == "ai_edge_litert":
        assert said.operators // 2 < said.delegated < said.operators, "XNNPACK takes most of an int8 model, not all"
        assert said.parts >= 1
    else:
        assert (said.delegated, said.parts) == (0, 0), "tflite-runtime leaves int8 to its own kernels"


def test_what_lies_between_a_delegates_inputs_and_outputs_is_what_it_took() -> None:
    nodes = [
        {"op_name": "QUANTIZE", "inputs": [0], "outputs": [1]},
        {"op_name": "CONV_2D", "inputs": [1, 90, 91], "outputs": [2]},
        {"op_name": "CONV_2D", "inputs": [2, 92, -1], "outputs": [3]},
        {"op_name": "ADD", "inputs": [2, 3], "outputs": [4]},
        {"op_name": "CUSTOM", "inputs": [4], "outputs": [5]},
        {"op_name": "SOFTMAX", "inputs": [5], "outputs": [6]},
        {"op_name": "DELEGATE", "inputs": [1, 90, 91, 92], "outputs": [4]},
        {"op_name": "DELEGATE", "inputs": [5], "outputs": [6]},
    ]
    file = SimpleNamespace(operators=("x",) * 6, edgetpu=False)
    interpreter = SimpleNamespace(_get_ops_details=lambda: nodes)
    assert delegated(file, "cpu", interpreter) == Delegated(operators=6, delegated=4, parts=2)  # type: ignore[arg-type]


def test_a_runtime_that_does_not_tell_is_not_guessed_at() -> None:
    file = SimpleNamespace(operators=("x",) * 6, edgetpu=False)
    said = delegated(file, "external", object())  # type: ignore[arg-type]
    assert (said.delegated, said.reason) == (None, "the runtime does not say what runs on external")


def test_a_model_for_the_edge_tpu_says_itself_what_was_compiled_for_it(models: Path) -> None:
    said = delegated(read_model(models / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"), "edgetpu:usb:0", None)
    assert (said.operators, said.parts) == (1, 1)
