import numpy as np
import pytest

from edge_infer.errors import DelegateError, ModelError
from edge_infer.runtime.fake import FakeRuntime
from edge_infer.types import TensorSpec

SPEC = TensorSpec("x", (2,), np.dtype(np.uint8))
ZERO = [np.zeros(2, np.uint8)]


def test_each_run_answers_with_the_next_step_and_the_last_one_repeats() -> None:
    runtime = FakeRuntime([SPEC], [SPEC], [[np.uint8([1, 1])], [np.uint8([2, 2])]])
    assert [runtime.run(ZERO)[0][0] for _ in range(4)] == [1, 2, 2, 2]
    assert runtime.runs == 4


def test_a_step_may_fail_or_compute() -> None:
    runtime = FakeRuntime([SPEC], [SPEC], [DelegateError("unplugged"), lambda inputs: [inputs[0] + 1]])
    with pytest.raises(DelegateError, match="unplugged"):
        runtime.run(ZERO)
    assert runtime.run(ZERO)[0].tolist() == [1, 1]


def test_a_script_without_steps_says_so() -> None:
    with pytest.raises(ModelError, match="script of this FakeRuntime is empty"):
        FakeRuntime([SPEC], [SPEC], []).run(ZERO)
