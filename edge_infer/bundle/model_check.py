"""What the C++ runtimes take for granted of a model, beyond offsets: indices that exist, constants of the right size.

tflite-runtime does not verify a file before it reads it: a half-copied model ends the process with a segmentation
fault (measured with 2.14, cut at 50, 95 and 99 % of the file). LiteRT refuses it, without saying where.
Source: tensorflow/lite/core/interpreter_builder.cc and core/tools/verifier.cc for what is taken for granted.
"""

import math
from collections.abc import Iterable

import numpy as np

from edge_infer.bundle.flatbuffer import Flatbuffer, Table
from edge_infer.bundle.operator_names import CUSTOM
from edge_infer.bundle.tflite_schema import SCHEMA, TENSOR_TYPES, VERSION, TensorType
from edge_infer.errors import ModelError

MAX_RANK = 32  # Source: numpy 1.26 has no arrays of more dimensions (NPY_MAXDIMS)


def check_model(buffer: Flatbuffer) -> Table:
    """The Model table of a TFLite file, after everything in it was found sound.

    Raises:
        ModelError: what is damaged, and at which byte.
    """
    model = buffer.root()
    model.verify(SCHEMA, "Model")
    version = model.integer(0, "I")
    if version != VERSION:
        raise ModelError(f"{buffer.name} has TFLite schema version {version}, runtimes read {VERSION}: export it again")
    codes = model.tables(1)
    for code in codes:
        if operator_code(code) == CUSTOM and not code.string(1):
            raise code.damaged("a custom operator without a name")
    contents = [_content(buffer, table) for table in model.tables(4)]
    subgraphs = model.tables(2)
    if not subgraphs:
        raise model.damaged("a model without a graph")
    for subgraph in subgraphs:
        _check_subgraph(buffer, subgraph, contents, len(codes))
    _check_references(model, len(contents))
    return model


def operator_code(table: Table) -> int:
    """The builtin code of an OperatorCode table; old files have it in a field of one byte.

    Source: GetBuiltinCode of tensorflow/lite/schema/schema_utils.cc.
    """
    code = max(table.integer(0, "b"), table.integer(3))
    if code < 0:
        raise table.damaged(f"operator code {code}")
    return code


def tensor_type(tensor: Table) -> TensorType:
    """The type of a Tensor table."""
    number = tensor.integer(1, "b")
    if not 0 <= number < len(TENSOR_TYPES):
        raise tensor.damaged(f"unknown tensor type {number}")
    return TENSOR_TYPES[number]


def _content(buffer: Flatbuffer, table: Table) -> memoryview:
    """A Buffer's bytes: in the flatbuffer, or behind it (offsets 0 and 1 mean "none": schema.fbs)."""
    inside = table.data(0)
    offset, size = table.integer(1, "Q"), table.integer(2, "Q")
    if len(inside) or offset <= 1:
        return inside
    buffer.claim("a constant behind the model", offset, size)
    return buffer.data[offset : offset + size]


def _check_subgraph(buffer: Flatbuffer, subgraph: Table, contents: list[memoryview], code_count: int) -> None:
    tensors = subgraph.tables(0)
    for tensor in tensors:
        _check_tensor(tensor, contents)
    _check_indices(subgraph, "input", subgraph.integers(1), len(tensors))
    _check_indices(subgraph, "output", subgraph.integers(2), len(tensors))
    for operator in subgraph.tables(3):
        code = operator.integer(0, "I")
        if code >= code_count:
            raise operator.damaged(f"an operator has code {code}, there are {code_count}")
        for name, field in (("input", 1), ("output", 2), ("intermediate", 8)):
            _check_indices(operator, name, operator.integers(field), len(tensors), lowest=-1)
        offset, size = operator.integer(9, "Q"), operator.integer(10, "Q")
        if offset > 1:
            buffer.claim("options of a custom operator", offset, size)


def _check_indices(table: Table, name: str, indices: Iterable[int], count: int, lowest: int = 0) -> None:
    for index in indices:
        if not lowest <= index < count:
            raise table.damaged(f"{name} {index} is not a tensor, there are {count}")


def _check_tensor(tensor: Table, contents: list[memoryview]) -> None:
    shape = tensor.integers(0)
    if len(shape) > MAX_RANK or any(size < 0 for size in shape):
        raise tensor.damaged(f"a tensor has shape {shape[:MAX_RANK]}")
    index = tensor.integer(2, "I")
    if index and index >= len(contents):
        raise tensor.damaged(f"a tensor has buffer {index}, there are {len(contents)}")
    kind = tensor_type(tensor)
    if not index or not len(contents[index]):  # buffer 0 stands for "none", even where there is no buffer at all
        return
    content = contents[index]
    if kind.name == "STRING":
        _check_strings(tensor, content)
    elif kind.bits and not tensor.table(6):  # a sparse constant holds its own number of values
        expected = -(-math.prod(shape) * kind.bits // 8)
        if len(content) != expected:
            raise tensor.damaged(
                f"a constant {kind.name} of shape {shape} has {len(content)} bytes instead of {expected}"
            )


def _check_strings(tensor: Table, content: memoryview) -> None:
    """The runtime's layout: count, count + 1 offsets, text. Source: VerifyStringTensorBuffer of verifier.cc."""
    words = np.frombuffer(content[: len(content) // 4 * 4], "<u4").astype(np.int64)
    count = int(words[0]) if len(words) else 0
    offsets = words[1 : count + 2]
    sound = (
        len(offsets) == count + 1
        and offsets[0] == 4 * (count + 2)
        and offsets[-1] == len(content)
        and bool((np.diff(offsets) >= 0).all())
    )
    if not sound:
        raise tensor.damaged("a constant list of strings")


def _check_references(model: Table, buffer_count: int) -> None:
    for entry in model.tables(6):
        if entry.integer(1, "I") >= buffer_count:
            raise entry.damaged(f"metadata '{entry.string(0)}' is in buffer {entry.integer(1, 'I')} of {buffer_count}")
    tensor_counts = [subgraph.span(0, 4)[1] for subgraph in model.tables(2)]
    for signature in model.tables(7):
        graph = signature.integer(4, "I")
        if graph >= len(tensor_counts):
            raise signature.damaged(f"a signature is of graph {graph}, there are {len(tensor_counts)}")
        indices = [entry.integer(1, "I") for entry in signature.tables(0) + signature.tables(1)]
        _check_indices(signature, "signature tensor", indices, tensor_counts[graph])
