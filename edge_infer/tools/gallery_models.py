"""Models are made of a classifier: one that gives embeddings, and one with imprinted classes.

Source: libcoral's imprinting_engine.cc for the layers that imprinting needs, and for the new quantisation behind them:
-1..1 after the last layer, times the factor after the multiplication.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_infer.bundle.flatbuffer import Table
from edge_infer.bundle.model_check import operator_code, tensor_type
from edge_infer.bundle.model_file import EDGETPU_OPERATOR
from edge_infer.bundle.operator_names import CUSTOM, name_of
from edge_infer.errors import ModelError
from edge_infer.tools.gallery_patch import Patch
from edge_infer.types import Array

LAYERS = ("CONV_2D", "FULLY_CONNECTED")
NORMALIZATION = "L2_NORMALIZATION"
STORING = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE")  # values stay what they are
BEHIND = ("MUL", "SOFTMAX")  # the last layer of a model that can be imprinted
CLASSIFYING = (*STORING, *BEHIND, "LOGISTIC")
NAME = "embedding"  # of the extractor's output: it is recognised by that


@dataclass(frozen=True)
class Op:
    """One operator; `place` is its number in execution order."""

    place: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Classifier:
    """A model whose last layer decides between classes.

    Attributes:
        layer: the last one with weights
        behind: the operators from there to the output, in execution order
        embedding: the tensor before it, behind L2_NORMALIZATION where there is one
    """

    def __init__(self, data: bytes, name: str) -> None:
        """Raises ModelError where the model is not a classifier."""
        self.patch = Patch(data, name)
        self.graph = self.patch.model.tables(2)[0]
        self.tensors = self.graph.tables(0)
        self._makers = {tensor: op for op in self._ops() for tensor in op.outputs}
        self.behind: list[Op] = []
        outputs = self.graph.integers(2)
        op = self._maker(outputs[0]) if len(outputs) == 1 else None
        while op and op.name in CLASSIFYING:
            self.behind.insert(0, op)
            op = self._maker(next((tensor for tensor in op.inputs if tensor in self._makers), -1))
        if op and op.name == EDGETPU_OPERATOR:
            raise ModelError(f"{name} is compiled for the Edge TPU to its last layer: give the file it came from")
        if op is None or op.name not in LAYERS or len(op.inputs) < 2:
            raise ModelError(f"{name} does not end in a layer that decides between classes ({', '.join(LAYERS)})")
        self.layer = op
        before = self._maker(op.inputs[0])
        while before and before.name in STORING:
            before = self._maker(before.inputs[0])
        self.normalized = before is not None and before.name == NORMALIZATION
        self.embedding = before.outputs[0] if before and self.normalized else op.inputs[0]
        shape = self.tensors[self.embedding].integers(0)
        if len(shape) not in (2, 4) or any(side != 1 for side in shape[:-1]) or self.embedding not in self._makers:
            raise ModelError(f"{name}: what its last layer takes is no vector, but has the shape {list(shape)}")

    def _ops(self) -> list[Op]:
        codes = [
            code.string(1) if operator_code(code) == CUSTOM else name_of(operator_code(code))
            for code in self.patch.model.tables(1)
        ]
        return [
            Op(place, codes[table.integer(0, "I")], table.integers(1), table.integers(2))
            for place, table in enumerate(self.graph.tables(3))
        ]

    def _maker(self, tensor: int) -> Op | None:
        return self._makers.get(tensor)

    def last_needed(self) -> int:
        """How many operators it takes to compute the embedding."""
        return self._makers[self.embedding].place + 1


def extractor(data: bytes, name: str) -> bytes:
    """A model that gives what a classifier's last layer is given, its embedding; the rest is left out.

    Raises:
        ModelError: it is not a classifier that could be cut there.
    """
    model = Classifier(data, name)
    patch = model.patch
    patch.replace(model.graph, 2, np.array([model.embedding], np.int32))
    patch.shorten(model.graph, 3, model.last_needed())
    patch.rename(model.tensors[model.embedding], 3, NAME)
    for signature in patch.model.tables(7):
        named = signature.tables(1)
        if named:
            patch.put(named[0], 1, model.embedding, "I")
            patch.shorten(signature, 1, 1)
    return patch.finish()


def imprinted(data: bytes, name: str, weights: Array, *, keep: bool, archive: bytes) -> bytes:
    """A classifier whose last layer has the rows `weights (classes, d)` of length 1; `keep`: behind those it has.

    Args:
        data: the classifier
        name: what messages call it
        weights: as `Gallery.means`
        keep: whether its classes stay, before the new ones
        archive: the files that travel with it

    Raises:
        ModelError: it has not the layers that imprinting needs.
    """
    model = Classifier(data, name)
    patch, tensors = model.patch, model.tensors
    real = [op for op in model.behind if op.name not in STORING]
    if not model.normalized or [op.name for op in real] != list(BEHIND):
        raise ModelError(
            f"{name} cannot be imprinted: that needs {NORMALIZATION} before its last layer and {' and '.join(BEHIND)} "
            "behind it, as models made for pycoral's ImprintingEngine have; use its gallery instead"
        )
    kernel = tensors[model.layer.inputs[1]]
    old = patch.constant(kernel)
    if old[0].size != weights.shape[1]:
        raise ModelError(f"{name} has weights for {old[0].size} numbers, the gallery has vectors of {weights.shape[1]}")
    count = _set_rows(model, kernel, old, weights, keep=keep)
    reach: float | None = 1.0  # cosines
    _set_output(patch, tensors[model.layer.outputs[0]], count, reach)
    for op in model.behind:
        if op.name == "MUL" and reach:
            reach *= _factor(model, op)
        reach = None if op.name == "SOFTMAX" else reach
        if op.name == "RESHAPE":
            _set_reshape(model, op, count)
        _set_output(patch, tensors[op.outputs[0]], count, reach)
    return patch.finish(archive)


def class_count(data: bytes, name: str) -> int:
    """How many classes a classifier has."""
    model = Classifier(data, name)
    return model.tensors[model.layer.inputs[1]].integers(0)[0]


def _set_rows(model: Classifier, kernel: Table, old: Array, weights: Array, *, keep: bool) -> int:
    """Write the rows of the last layer, and a bias of 0 for the new ones; how many classes it has then."""
    patch = model.patch
    quantization = kernel.table(4)
    scale = quantization.reals(2) if quantization else ()
    kept = old if keep else old[:0]
    rows = weights.reshape(len(weights), *old.shape[1:])
    if len(scale) > 1:  # one for each class: the new ones use the whole of int8
        assert quantization is not None  # noqa: S101 - there are scales
        _append_channels(patch, quantization, len(kept), len(rows), 1 / 127)
        stored = np.round(rows * 127)
    elif scale:
        assert quantization is not None  # noqa: S101 - there is a scale
        limits = np.iinfo(old.dtype)
        stored = np.clip(np.round(rows / scale[0]) + quantization.integers(3, "q")[0], limits.min, limits.max)
    else:
        stored = rows
    patch.set_constant(kernel, np.concatenate([kept, stored.astype(old.dtype)]))
    if len(model.layer.inputs) > 2 and model.layer.inputs[2] >= 0:
        bias = model.tensors[model.layer.inputs[2]]
        had = patch.constant(bias)
        patch.set_constant(bias, np.concatenate([had[: len(kept)], np.zeros(len(rows), had.dtype)]))
        of_bias, of_input = bias.table(4), model.tensors[model.layer.inputs[0]].table(4)
        if len(scale) > 1 and of_bias and of_input:
            _append_channels(patch, of_bias, len(kept), len(rows), of_input.reals(2)[0] / 127)
    return len(kept) + len(rows)


def _append_channels(patch: Patch, quantization: Table, kept: int, new: int, scale: float) -> None:
    scales, zeros = quantization.reals(2)[:kept], quantization.integers(3, "q")[:kept]
    patch.replace(quantization, 2, np.array([*scales, *[scale] * new], np.float32))
    patch.replace(quantization, 3, np.array([*zeros, *[0] * new], np.int64))


def _set_output(patch: Patch, tensor: Table, count: int, reach: float | None) -> None:
    """Another number of classes, and values within -reach..reach where that is known."""
    patch.replace(tensor, 0, np.array([*tensor.integers(0)[:-1], count], np.int32))
    if signature := tensor.integers(7):
        patch.replace(tensor, 7, np.array([*signature[:-1], count], np.int32))
    kind, quantization = tensor_type(tensor), tensor.table(4)
    if reach is None or quantization is None or not quantization.reals(2):
        return
    if kind.name not in ("UINT8", "INT8"):
        raise ModelError(f"{patch.name}: '{tensor.string(3)}' has type {kind.name}, which cannot be imprinted")
    patch.replace(quantization, 2, np.array([reach / 128], np.float32))
    patch.replace(quantization, 3, np.array([128 if kind.name == "UINT8" else 0], np.int64))


def _factor(model: Classifier, op: Op) -> float:
    """What a multiplication multiplies with."""
    constants = [tensor for tensor in op.inputs if tensor != model.layer.outputs[0]]
    tensor = model.tensors[constants[-1]]
    stored = model.patch.constant(tensor).astype(np.float64).reshape(-1)
    quantization = tensor.table(4)
    if quantization and (scale := quantization.reals(2)):
        stored = (stored - quantization.integers(3, "q")[0]) * scale[0]
    if len(stored) != 1 or not stored[0] > 0:
        raise ModelError(f"{model.patch.name} multiplies with {len(stored)} numbers: imprinting needs one above 0")
    return float(stored[0])


def _set_reshape(model: Classifier, op: Op, count: int) -> None:
    """The shape that a RESHAPE makes: of its output, and where it is given as a constant or an option, there, too."""
    if len(op.inputs) > 1:
        shape = model.tensors[op.inputs[1]]
        model.patch.set_constant(shape, _ending_in(model.patch.constant(shape), count))
    options = model.graph.tables(3)[op.place].table(4)
    if options and (wanted := options.integers(0)):
        model.patch.replace(options, 0, _ending_in(np.array(wanted, np.int32), count))


def _ending_in(shape: Array | Sequence[int], count: int) -> Array:
    return np.array([*shape[:-1], count], np.int32)
