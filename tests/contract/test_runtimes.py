from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from fake_tpu import FakeTpu

from edge_infer.bundle.model_file import read_model
from edge_infer.errors import ModelError
from edge_infer.runtime.interpreter import InterpreterRuntime
from edge_infer.runtime.libraries import KNOWN, find_library
from edge_infer.runtime.pool import isolated
from edge_infer.runtime.runtime import NO_REDUCTION, Reduce, Runtime
from edge_infer.testing import FakeRuntime, check_runtime
from edge_infer.types import Array, TensorSpec

MODEL = "mobilenet_v1_0.25_128_quant.tflite"
SPEC = TensorSpec("x", (2, 3), np.dtype(np.uint8))
ONE = np.ones(SPEC.shape, np.uint8)
INSTALLED = [name for name in KNOWN if find_spec(name)]  # not each goes with each version of numpy


def pictures() -> list[Array]:
    return [np.random.default_rng(1).integers(0, 256, (1, 128, 128, 3), np.uint8)]


@pytest.mark.parametrize("name", INSTALLED)
def test_an_installed_runtime_is_one(name: str, testdata: Path) -> None:
    model = read_model(testdata / "models" / MODEL)
    check_runtime(lambda: InterpreterRuntime(model, library=find_library(name)), pictures())


def test_a_runtime_on_an_accelerator_is_one(testdata: Path, fake_edgetpu: str) -> None:
    model = read_model(testdata / "models" / MODEL.replace("quant", "quant_edgetpu"))
    check_runtime(lambda: InterpreterRuntime(model, device="edgetpu", delegate=fake_edgetpu), pictures())


@pytest.mark.parametrize("device", ["edgetpu", "cpu"])
def test_a_runtime_in_a_process_of_its_own_is_one(testdata: Path, tpu: FakeTpu, device: str) -> None:
    name = MODEL if device == "cpu" else MODEL.replace("quant", "quant_edgetpu")
    model = read_model(testdata / "models" / name)
    check_runtime(lambda: isolated(model, device, find_library(), delegate=tpu.library), pictures())


def test_a_fake_runtime_is_one() -> None:
    check_runtime(lambda: FakeRuntime([SPEC], [SPEC], [lambda inputs: [inputs[0] * 2]]), [ONE])


def runtime(step: Callable[[Sequence[Array]], list[Array]], kind: type[FakeRuntime] = FakeRuntime) -> Runtime:
    return kind([SPEC], [SPEC], [step])


class Shares(FakeRuntime):
    """Hands out its own memory."""

    memory = np.zeros(SPEC.shape, np.uint8)

    def run(self, inputs: Sequence[Array], reduce: Mapping[int, Reduce] = NO_REDUCTION) -> list[Array]:
        self.memory[:] = super().run(inputs)[0]
        return [self.memory]


class Careless(FakeRuntime):
    """Takes everything."""

    def run(self, inputs: Sequence[Array], reduce: Mapping[int, Reduce] = NO_REDUCTION) -> list[Array]:
        return [reduce.get(0, np.copy)(ONE)]


class Whole(FakeRuntime):
    """Does not reduce."""

    def run(self, inputs: Sequence[Array], reduce: Mapping[int, Reduce] = NO_REDUCTION) -> list[Array]:
        return super().run(inputs)


class Immortal(FakeRuntime):
    """Cannot be closed."""

    def close(self) -> None:
        pass


class Unfriendly(FakeRuntime):
    """Refuses with an error of its own."""

    def run(self, inputs: Sequence[Array], reduce: Mapping[int, Reduce] = NO_REDUCTION) -> list[Array]:
        try:
            return super().run(inputs, reduce)
        except ModelError as error:
            raise ValueError from error


def change(inputs: Sequence[Array]) -> list[Array]:
    inputs[0][:] = 7
    return [ONE]


def same(inputs: Sequence[Array]) -> list[Array]:
    return [inputs[0]]


BAD: list[tuple[str, Callable[[], Runtime], type[Exception]]] = [
    ("changes its inputs", lambda: runtime(change), AssertionError),
    ("gives other types", lambda: runtime(lambda inputs: [inputs[0].astype(np.int32)]), AssertionError),
    ("gives other shapes", lambda: runtime(lambda inputs: [inputs[0][:1]]), AssertionError),
    ("gives too many outputs", lambda: runtime(lambda inputs: [ONE, ONE]), AssertionError),
    ("shares its memory", lambda: runtime(same, Shares), AssertionError),
    ("does not reduce", lambda: runtime(same, Whole), AssertionError),
    ("takes everything", lambda: runtime(same, Careless), AssertionError),
    ("runs after it was closed", lambda: runtime(same, Immortal), AssertionError),
    ("refuses in its own way", lambda: runtime(same, Unfriendly), ValueError),
]


@pytest.mark.parametrize(("open_runtime", "error"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_the_check_finds_a_runtime_that(open_runtime: Callable[[], Runtime], error: type[Exception]) -> None:
    with pytest.raises(error):
        check_runtime(open_runtime, [ONE.copy()])


def test_the_check_finds_answers_that_differ_from_run_to_run() -> None:
    steps = ([np.full(SPEC.shape, number, np.uint8)] for number in range(100))
    with pytest.raises(AssertionError, match="other outputs"):
        check_runtime(lambda: FakeRuntime([SPEC], [SPEC], steps), [ONE])
