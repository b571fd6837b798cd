from pathlib import Path

import numpy as np
import pytest
from tflite_writer import ADD, Graph, Op, Tensor, model_bytes

from edge_infer.loading import load

SHAPE = (1, 1, 1, 1)


@pytest.mark.filterwarnings("ignore:overflow")  # on purpose: bright pixels are +inf, dark ones -inf
def test_a_state_that_has_become_no_number_is_forgotten(tmp_path: Path) -> None:
    tensors = [Tensor(name, SHAPE) for name in ("image", "before", "after")]
    adds = Graph(tensors, ["image", "before"], ["after"], [Op(ADD, ["image", "before"], ["after"])])
    path = tmp_path / "m.tflite"
    path.write_bytes(model_bytes(adds))
    options = {"mean": 100.0, "std": 1e-38, "state": {"before": "after"}, "kind": "classify", "activation": "sigmoid"}
    with load(path, device="cpu", **options) as model:  # type: ignore[arg-type]
        said = [model(np.full((4, 4, 3), level, np.uint8)).status for level in (255, 0, 100)]  # inf, inf - inf, 0 + 0
    assert said == ["ok", "error", "ok"]
