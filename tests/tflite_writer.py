"""Writes .tflite files: any graph, with the real layouts of exporters, where no converter is wanted.

Source: tensorflow/compiler/mlir/lite/schema/schema.fbs for the numbers of fields, types and operators.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from flatbuffers import flexbuffers

TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9}
ADD, RESHAPE, SOFTMAX, LOGISTIC, CUSTOM = 0, 22, 25, 14, 32
CONV_2D, FULLY_CONNECTED, L2_NORMALIZATION, MUL = 3, 9, 11, 18
RESIZE_BILINEAR, ARG_MAX = 23, 56
OPTIONS = {  # union type, its fields
    ADD: (11, ()),
    RESHAPE: (17, ()),
    SOFTMAX: (9, ((0, "f", 1.0),)),
    CONV_2D: (1, ((1, "i", 1), (2, "i", 1))),
    FULLY_CONNECTED: (8, ()),
    L2_NORMALIZATION: (12, ()),
    MUL: (21, ()),
    ARG_MAX: (40, ((0, "b", 4),)),  # to int64
    RESIZE_BILINEAR: (15, ()),
}


@dataclass
class Tensor:
    """A tensor; with `data` (stored values) it is constant."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    data: Any = None
    scale: float | Sequence[float] | None = None  # several: one for each item of the first axis
    zero_point: int = 0
    signature: tuple[int, ...] = ()


@dataclass
class Op:
    code: int
    inputs: list[str]
    outputs: list[str]
    custom: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)  # of a custom operator


@dataclass
class Graph:
    tensors: list[Tensor]
    inputs: list[str]
    outputs: list[str]
    ops: list[Op] = field(default_factory=list)
    metadata: dict[str, bytes] = field(default_factory=dict)
    signature: Mapping[str, str] | None = None  # outputs of "serving_default": name there, tensor


def write_answers(
    path: Path,
    answers: Mapping[str, Any],
    *,
    size: tuple[int, int] = (640, 640),
    channels: int = 3,
    dtype: str = "float32",
    scale: float | None = None,
    zero_point: int = 0,
    output_scales: Mapping[str, tuple[float, int]] | None = None,
    last: str = "",
    **parts: Any,
) -> Path:
    """A model that takes a picture of `size` (width, height) and always gives these stored outputs, by name.

    `output_scales` are scale and zero point of those that are quantised; `last="SOFTMAX"` makes the outputs seem to
    come from that op (float32 only, whose input then is the logarithm).
    """
    tensors = [Tensor("image", (1, size[1], size[0], channels), dtype, None, scale, zero_point)]
    ops = []
    for name, value in answers.items():
        value = np.asarray(value)
        quantization = (output_scales or {}).get(name, (None, 0))
        given = np.log(np.maximum(value, 1e-30)).astype(np.float32) if last == "SOFTMAX" else value
        tensors.append(Tensor(f"{name}_given", value.shape, value.dtype.name, given, *quantization))
        tensors.append(Tensor(name, value.shape, value.dtype.name, None, *quantization))
        if last == "SOFTMAX":
            ops.append(Op(SOFTMAX, [f"{name}_given"], [name]))
        else:
            tensors.append(Tensor(f"{name}_shape", (value.ndim,), "int32", value.shape))
            ops.append(Op(RESHAPE, [f"{name}_given", f"{name}_shape"], [name]))
    files = parts.pop("files", {})
    graph = Graph(tensors, ["image"], list(answers), ops, **parts)
    path.write_bytes(model_bytes(graph) + archive(files))
    return path


def archive(files: Mapping[str, bytes | str]) -> bytes:
    """What travels behind the flatbuffer."""
    if not files:
        return b""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def model_bytes(graph: Graph) -> bytes:
    """The flatbuffer of a model."""
    b = flatbuffers.Builder(4096)
    places = {tensor.name: place for place, tensor in enumerate(graph.tensors)}
    contents: list[bytes] = [b""]
    made = []
    for tensor in graph.tensors:
        at = 0
        if tensor.data is not None:
            contents.append(np.ascontiguousarray(tensor.data, tensor.dtype).tobytes())
            at = len(contents) - 1
        made.append(_tensor(b, tensor, at))
    codes = sorted({(op.code, op.custom) for op in graph.ops})
    operators = [_operator(b, op, codes.index((op.code, op.custom)), places) for op in graph.ops]
    subgraph = _table(
        b,
        [
            (0, "o", _tables(b, made)),
            (1, "o", _integers(b, [places[name] for name in graph.inputs])),
            (2, "o", _integers(b, [places[name] for name in graph.outputs])),
            (3, "o", _tables(b, operators)),
            (4, "o", b.CreateString("main")),
        ],
    )
    metadata = []
    for name, content in graph.metadata.items():
        contents.append(content)
        metadata.append(_table(b, [(0, "o", b.CreateString(name)), (1, "I", len(contents) - 1)]))
    signatures = [] if graph.signature is None else [_signature(b, graph, places)]
    model = _table(
        b,
        [
            (0, "I", 3),
            (1, "o", _tables(b, [_code(b, *code) for code in codes])),
            (2, "o", _tables(b, [subgraph])),
            (3, "o", b.CreateString("written by a test")),
            (4, "o", _tables(b, [_buffer(b, content) for content in contents])),
            (6, "o", _tables(b, metadata)),
            (7, "o", _tables(b, signatures)),
        ],
    )
    b.Finish(model, b"TFL3")
    return bytes(b.Output())


def _tensor(b: Any, tensor: Tensor, buffer: int) -> int:
    quantization = 0
    if tensor.scale is not None:
        scales = b.CreateNumpyVector(np.atleast_1d(np.array(tensor.scale, np.float32)))
        zeros = b.CreateNumpyVector(np.full(np.size(tensor.scale), tensor.zero_point, np.int64))
        quantization = _table(b, [(2, "o", scales), (3, "o", zeros)])
    fields = [
        (0, "o", _integers(b, tensor.shape)),
        (1, "b", TYPES[tensor.dtype]),
        (2, "I", buffer),
        (3, "o", b.CreateString(tensor.name)),
        (4, "o", quantization),
    ]
    return _table(b, [*fields, (7, "o", _integers(b, tensor.signature))] if tensor.signature else fields)


def _operator(b: Any, op: Op, code: int, places: Mapping[str, int]) -> int:
    kind, options = OPTIONS.get(op.code, (0, ()))
    fields = [
        (0, "I", code),
        (1, "o", _integers(b, [places[name] for name in op.inputs])),
        (2, "o", _integers(b, [places[name] for name in op.outputs])),
    ]
    if op.settings:
        fields.append((5, "o", b.CreateByteVector(bytes(flexbuffers.Dumps(dict(op.settings))))))
    return _table(b, [*fields, (3, "B", kind), (4, "o", _table(b, options))] if kind else fields)


def _code(b: Any, code: int, custom: str) -> int:
    name = [(1, "o", b.CreateString(custom))] if custom else []
    return _table(b, [(0, "b", min(code, 127)), *name, (2, "i", 1), (3, "i", code)])


def _buffer(b: Any, content: bytes) -> int:
    if not content:
        return _table(b, [])
    b.StartVector(1, len(content), 16)
    b.head -= len(content)
    b.Bytes[b.head : b.head + len(content)] = content
    return _table(b, [(0, "o", b.EndVector())])


def _signature(b: Any, graph: Graph, places: Mapping[str, int]) -> int:
    assert graph.signature is not None

    def entry(name: str, tensor: str) -> int:
        return _table(b, [(0, "o", b.CreateString(name)), (1, "I", places[tensor])])

    inputs = _tables(b, [entry(name, name) for name in graph.inputs])
    outputs = _tables(b, [entry(name, tensor) for name, tensor in graph.signature.items()])
    return _table(b, [(0, "o", inputs), (1, "o", outputs), (2, "o", b.CreateString("serving_default")), (4, "I", 0)])


def _table(b: Any, fields: Sequence[tuple[int, str, Any]]) -> int:
    slots = {"o": "UOffsetTRelative", "I": "Uint32", "i": "Int32", "b": "Int8", "B": "Uint8", "f": "Float32"}
    b.StartObject(max((number for number, _, _ in fields), default=-1) + 1)
    for number, kind, value in fields:
        getattr(b, f"Prepend{slots[kind]}Slot")(number, value, 0)
    return int(b.EndObject())


def _tables(b: Any, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _integers(b: Any, values: Sequence[int]) -> int:
    return int(b.CreateNumpyVector(np.array(values, np.int32)))
