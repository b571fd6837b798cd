"""Whether an output holds scores already, or logits."""

from edge_infer.bundle.metadata import TensorMetadata
from edge_infer.decode.classify import Activation
from edge_infer.kinds.kind import Clues
from edge_infer.types import TensorSpec

ACTIVATIONS = ("SOFTMAX", "LOGISTIC")
# What ends in one of these has no activation: its values may be any number, whatever is said of them (tflite-support's
# writer puts 0..1 into the metadata of every float classifier).
LAYERS = ("FULLY_CONNECTED", "CONV_2D", "TRANSPOSE_CONV", "BATCH_MATMUL")
# These join values: of layers, or of scores.
SUMS = ("ADD", "MEAN", "AVERAGE_POOL_2D")

# A quantised softmax or logistic output always begins at 0 and ends a step below 1 (Source: TFLite quantization
# specification: scale 1/256, or 1/32768 of int16); exporters that quantise it by what they measure come near.
FROM, TO = -0.004, 1.02


def activation_of(clues: Clues, place: int, *, one_for_all: bool) -> tuple[Activation, str]:
    """What is to be done with the output at a place so that it becomes scores, and what tells that.

    `one_for_all`: where logits are found, exactly one class is right (softmax), not any number of them (sigmoid).
    """
    spec, operator = clues.outputs[place], clues.model.output_operators[place]
    logits: Activation = "softmax" if one_for_all else "sigmoid"
    if operator in ACTIVATIONS:
        return "none", f"the op {operator} at its end"
    if operator == "LOG_SOFTMAX":
        return "softmax", f"the op {operator} at its end"
    if spec.quantized:
        return ("none" if holds_scores(spec) else logits), "the range of its quantised values"
    said = tensor_metadata(clues, place)
    if operator in LAYERS:
        return logits, f"the op {operator} at its end"
    if said and said.minimum and said.maximum:
        scores = min(said.minimum) >= 0.0 and max(said.maximum) <= 1.0
        return ("auto" if scores else logits), "the smallest and the largest value in the metadata"
    if operator in SUMS:
        return logits, f"the op {operator} at its end"
    return "auto", "each result: values outside 0..1 are logits"


def holds_scores(spec: TensorSpec) -> bool:
    """True for a quantised tensor whose real values are those of probabilities."""
    if not spec.quantized or len(spec.scale) != 1:
        return False
    bits = 8 * spec.dtype.itemsize
    lowest = 0 if spec.dtype.kind == "u" else -(1 << (bits - 1))
    if spec.dtype.itemsize > 1:  # symmetric: the negative half is not used
        lowest = spec.zero_point[0]
    highest = (1 << bits) - 1 if spec.dtype.kind == "u" else (1 << (bits - 1)) - 1
    least, most = ((end - spec.zero_point[0]) * spec.scale[0] for end in (lowest, highest))
    return bool(FROM <= least <= -FROM and 0.5 < most <= TO)


def tensor_metadata(clues: Clues, place: int) -> TensorMetadata | None:
    """What the TFLite metadata says of the output at a place."""
    outputs = clues.metadata.outputs if clues.metadata else ()
    return outputs[place] if place < len(outputs) else None
