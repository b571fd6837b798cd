from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def schema() -> Any:
    """The generated TFLite schema: what builds the models that these tests read."""
    pytest.importorskip("flatbuffers")
    return pytest.importorskip("ai_edge_litert.schema_py_generated")


@pytest.fixture(scope="session")
def build(schema: Any) -> Callable[..., bytes]:
    """Builds a model that adds (1, 2) to its input; `change` may alter it before it is written."""
    import flatbuffers

    def build(change: Callable[[Any], object] = lambda model: None) -> bytes:
        model = _adder(schema)
        change(model)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    return build


@pytest.fixture
def write(build: Callable[..., bytes], tmp_path: Path) -> Callable[..., Path]:
    """Writes the model of `build` with `tail` behind it."""

    def write(change: Callable[[Any], object] = lambda model: None, tail: bytes = b"") -> Path:
        path = tmp_path / "model.tflite"
        path.write_bytes(build(change) + tail)
        return path

    return write


def _adder(schema: Any) -> Any:
    model = schema.ModelT()
    model.version, model.description = 3, "adds"
    model.buffers = [schema.BufferT() for _ in range(3)]
    model.buffers[1].data = np.array([1, 2], "<f4").view(np.uint8)
    model.buffers[2].data = np.frombuffer(b"1.5.0\0", np.uint8)
    code = schema.OperatorCodeT()
    code.builtinCode, code.version = schema.BuiltinOperator.ADD, 1
    model.operatorCodes = [code]
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [0, 1], [2]
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.AddOptions, schema.AddOptionsT()
    graph = schema.SubGraphT()
    graph.tensors = [_tensor(schema, "x", 0), _tensor(schema, "one_two", 1), _tensor(schema, "y", 0)]
    graph.inputs, graph.outputs, graph.operators = [0], [2], [operator]
    model.subgraphs = [graph]
    metadata = schema.MetadataT()
    metadata.name, metadata.buffer = "min_runtime_version", 2
    model.metadata = [metadata]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    signature.inputs, signature.outputs = [_named(schema, "left", 0)], [_named(schema, "sum", 2)]
    model.signatureDefs = [signature]
    return model


def _tensor(schema: Any, name: str, buffer: int) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.buffer, tensor.shape, tensor.type = name, buffer, [2], schema.TensorType.FLOAT32
    return tensor


def _named(schema: Any, name: str, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, index
    return entry
