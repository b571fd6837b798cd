"""Writes .tflite files of a few operators, where a converter of 600 MB is not wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_infer.bundle.flatbuffer_writing import Fields, flatbuffer
from edge_infer.bundle.tflite_schema import IDENTIFIER, SCHEMA, TENSOR_TYPES, VERSION
from edge_infer.types import Array, TensorSpec

# Source: schema.fbs, enum BuiltinOperator
ADD, AVERAGE_POOL_2D, CONV_2D, DEQUANTIZE, MUL, MEAN = 0, 1, 3, 6, 18, 40
RESHAPE, SUB, RSQRT, QUANTIZE = 22, 41, 76, 114
# What the oldest runtime that we know needs for these, as the converter marks them (op_version.cc); others: 1.
VERSIONS = {CONV_2D: 3, DEQUANTIZE: 2}


@dataclass(frozen=True)
class Op:
    """An operator; `options`: number of its table in the union BuiltinOptions, and the fields of that."""

    code: int
    inputs: Sequence[str]
    output: str
    options: tuple[int, Fields] | None = None


@dataclass
class Graph:
    """Tensors by name, and what computes them from each other, in order."""

    tensors: dict[str, TensorSpec] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)

    def tensor(self, spec: TensorSpec) -> str:
        """Take a tensor in; its name."""
        self.tensors[spec.name] = spec
        return spec.name

    def constant(self, name: str, values: Array, **quantized: tuple[float, ...] | tuple[int, ...] | int) -> str:
        """Take one in whose stored values never change; its name. `quantized`: fields of its TensorSpec."""
        self.constants[name] = values
        return self.tensor(TensorSpec(name, values.shape, values.dtype, **quantized))  # type: ignore[arg-type]

    def add(self, op: Op, spec: TensorSpec) -> str:
        """Take an operator in, whose output `spec` describes; the output's name."""
        self.ops.append(op)
        return self.tensor(spec)


def model_bytes(graph: Graph, inputs: Sequence[str], outputs: Sequence[str], description: str) -> bytes:
    """The .tflite file of a graph."""
    places = {name: place for place, name in enumerate(graph.tensors)}
    codes = sorted({op.code for op in graph.ops})
    contents: list[Array | None] = [None]  # buffer 0 stands for none
    tensors = []
    for name, spec in graph.tensors.items():
        if name in graph.constants:
            contents.append(graph.constants[name])
        tensors.append(_tensor(spec, len(contents) - 1 if name in graph.constants else 0))
    subgraph: Fields = {
        0: tensors,
        1: _places(inputs, places),
        2: _places(outputs, places),
        3: [_operator(op, codes, places) for op in graph.ops],
        4: "main",
    }
    fields: Fields = {
        0: VERSION,
        1: [_code(code) for code in codes],
        2: [subgraph],
        3: description,
        4: [{} if values is None else {0: np.frombuffer(values.tobytes(), np.uint8)} for values in contents],
    }
    return flatbuffer(SCHEMA, "Model", fields, IDENTIFIER)


def _tensor(spec: TensorSpec, buffer: int) -> Fields:
    number = next(n for n, kind in enumerate(TENSOR_TYPES) if kind.dtype == spec.dtype)
    fields: dict[int, object] = {0: np.array(spec.shape, np.int32), 1: number, 2: buffer, 3: spec.name}
    if spec.scale:
        fields[4] = {
            2: np.array(spec.scale, np.float32),
            3: np.array(spec.zero_point, np.int64),
            6: spec.quantized_dimension,
        }
    return fields  # type: ignore[return-value]  # a dict of values


def _operator(op: Op, codes: Sequence[int], places: Mapping[str, int]) -> Fields:
    fields: Fields = {0: codes.index(op.code), 1: _places(op.inputs, places), 2: _places([op.output], places)}
    return fields if op.options is None else {**fields, 3: op.options[0], 4: op.options[1]}


def _code(code: int) -> Fields:
    return {0: min(code, 127), 2: VERSIONS.get(code, 1), 3: code}


def _places(names: Sequence[str], places: Mapping[str, int]) -> Array:
    return np.array([places[name] for name in names], np.int32)
