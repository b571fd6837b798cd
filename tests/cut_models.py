"""Real models without their last operator: what exporters leave out is then known from the model itself."""

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest


def without_last_operator(path: Path, target: Path, outputs: int) -> list[Any]:
    """Write the model whose outputs are the first inputs of its last operator; gives the other inputs' real values."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = model.subgraphs[0]
    inputs = graph.operators.pop().inputs.tolist()
    graph.outputs = inputs[:outputs]
    model.metadata = []
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(bytes(builder.Output()))
    return [_real(model, graph.tensors[place]) for place in inputs[outputs:]]


def _real(model: Any, tensor: Any) -> Any:
    types = {0: np.float32, 2: np.int32, 3: np.uint8, 9: np.int8}
    stored = np.frombuffer(bytes(model.buffers[tensor.buffer].data), types[tensor.type]).reshape(tensor.shape)
    if tensor.quantization is None or tensor.quantization.scale is None:
        return stored
    return (stored.astype(np.float32) - tensor.quantization.zeroPoint[0]) * tensor.quantization.scale[0]
