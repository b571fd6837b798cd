"""The model file: what is learned becomes a graph whose output is the score."""

import math
from dataclasses import dataclass

import numpy as np

from edge_infer.bundle import tflite_writing as tw
from edge_infer.bundle.tflite_writing import Graph, Op
from edge_infer.tools.fit_anomaly.normal import Learned
from edge_infer.types import Array, TensorSpec

DESCRIPTION = "edge-infer fit anomaly: squared Mahalanobis distance from what was normal, divided by the features"
HEADROOM = 2.0  # int8 holds values so much larger than any that was recorded: an anomaly must not look like the normal
LEAST_RANGE = 8.0  # of the usual spread: a step of int8 is 0.06 of it
BLOCKS, BLOCK = 16, 8  # a picture is seen as 16x16 grey levels, each the mean of 8x8 pixels
LEAST_CONTRAST = 1.0  # grey levels: what is darker or more even than noise is not made brighter
FLOAT, INT8, UINT8 = np.dtype(np.float32), np.dtype(np.int8), np.dtype(np.uint8)


@dataclass(frozen=True)
class Ranges:
    """The largest absolute values that int8 holds: of features in units of their spread, and of these whitened."""

    away: float
    white: float


def ranges_of(learned: Learned, features: Array, threshold: float) -> Ranges:
    """Ranges with room above all that these features `(n, d)` show; one direction alone can reach the threshold."""
    away = learned.away(features)
    seen, white = (float(np.abs(values).max()) for values in (away, away @ learned.whitening().T))
    alone = math.sqrt(threshold * len(learned.mean))
    return Ranges(max(HEADROOM * seen, LEAST_RANGE), max(HEADROOM * white, alone, LEAST_RANGE))


def scorer(learned: Learned, ranges: Ranges) -> bytes:
    """A model of one input, the features `[1, d] float32`, and one output, the score `[1] float32`."""
    graph = Graph()
    features = graph.tensor(TensorSpec("features", (1, len(learned.mean)), FLOAT))
    score = _scored(graph, features, learned, ranges)
    return tw.model_bytes(graph, [features], [score], DESCRIPTION)


def picture_scorer(learned: Learned, ranges: Ranges) -> bytes:
    """A model of one input, a grey picture `[1, 128, 128, 1] uint8`, and one output, the score `[1] float32`."""
    graph, side = Graph(), BLOCKS * BLOCK
    picture = graph.tensor(TensorSpec("picture", (1, side, side, 1), UINT8, (1.0,), (0,)))
    levels = graph.add(Op(tw.DEQUANTIZE, [picture], "levels"), TensorSpec("levels", (1, side, side, 1), FLOAT))
    pool = (5, {0: 1, 1: BLOCK, 2: BLOCK, 3: BLOCK, 4: BLOCK})  # Pool2DOptions: VALID, strides, sides
    shape = (1, BLOCKS, BLOCKS, 1)
    blocks = graph.add(Op(tw.AVERAGE_POOL_2D, [levels], "blocks", pool), TensorSpec("blocks", shape, FLOAT))
    plain = graph.add(Op(tw.SUB, [blocks, _mean(graph, blocks)], "plain"), TensorSpec("plain", shape, FLOAT))
    squares = graph.add(Op(tw.MUL, [plain, plain], "squares"), TensorSpec("squares", shape, FLOAT))
    least = graph.constant("least", np.full((1, 1, 1, 1), LEAST_CONTRAST**2, FLOAT))
    one = (1, 1, 1, 1)
    contrast = graph.add(Op(tw.ADD, [_mean(graph, squares), least], "contrast"), TensorSpec("contrast", one, FLOAT))
    factor = graph.add(Op(tw.RSQRT, [contrast], "factor"), TensorSpec("factor", one, FLOAT))
    evened = graph.add(Op(tw.MUL, [plain, factor], "evened"), TensorSpec("evened", shape, FLOAT))
    features = _reshaped(graph, evened, (1, BLOCKS * BLOCKS), "features")
    score = _scored(graph, features, learned, ranges)
    return tw.model_bytes(graph, [picture], [score], DESCRIPTION)


def picture_features(picture: Array) -> Array:
    """The same features `(256,)` of such a picture in numpy, to learn from."""
    blocks = picture.reshape(BLOCKS, BLOCK, BLOCKS, BLOCK).astype(np.float64).mean(axis=(1, 3))
    plain = blocks - blocks.mean()
    features: Array = (plain / np.sqrt(np.mean(plain**2) + LEAST_CONTRAST**2)).reshape(-1)
    return features


def _scored(graph: Graph, features: str, learned: Learned, ranges: Ranges) -> str:
    """The score; its matrix is a convolution, which every runtime has in int8 with a scale for each row."""
    count = len(learned.mean)
    row, wide = (1, count), (1, 1, 1, count)
    mean = graph.constant("mean", learned.mean.astype(FLOAT).reshape(row))
    inverse = graph.constant("inverse_scale", (1.0 / learned.scale).astype(FLOAT).reshape(row))
    plain = graph.add(Op(tw.SUB, [features, mean], "centred"), TensorSpec("centred", row, FLOAT))
    away = graph.add(Op(tw.MUL, [plain, inverse], "away"), TensorSpec("away", row, FLOAT))
    away = _reshaped(graph, away, wide, "away_wide")
    steps = {name: (most / 127,) for name, most in (("away_int8", ranges.away), ("white_int8", ranges.white))}
    stored = graph.add(
        Op(tw.QUANTIZE, [away], "away_int8"), TensorSpec("away_int8", wide, INT8, steps["away_int8"], (0,))
    )
    white = graph.add(
        Op(tw.CONV_2D, [stored, *_weights(graph, learned, ranges)], "white_int8", (1, {0: 1, 1: 1, 2: 1, 4: 1, 5: 1})),
        TensorSpec("white_int8", wide, INT8, steps["white_int8"], (0,)),
    )
    real = graph.add(Op(tw.DEQUANTIZE, [white], "white"), TensorSpec("white", wide, FLOAT))
    squares = graph.add(Op(tw.MUL, [real, real], "white_squares"), TensorSpec("white_squares", wide, FLOAT))
    axes = graph.constant("axes", np.array([1, 2, 3], np.int32))
    return graph.add(Op(tw.MEAN, [squares, axes], "score", (27, {0: 0})), TensorSpec("score", (1,), FLOAT))


def _weights(graph: Graph, learned: Learned, ranges: Ranges) -> list[str]:
    """The whitening matrix in int8, and biases of 0."""
    matrix, count = learned.whitening(), len(learned.mean)
    steps = np.abs(matrix).max(axis=1) / 127
    stored = np.rint(matrix / steps[:, None]).astype(INT8).reshape(count, 1, 1, count)
    zeros = (0,) * count
    weights = graph.constant("whitening", stored, scale=tuple(steps.tolist()), zero_point=zeros)
    bias_steps = tuple((steps * ranges.away / 127).tolist())
    bias = graph.constant("bias", np.zeros(count, np.int32), scale=bias_steps, zero_point=zeros)
    return [weights, bias]


def _mean(graph: Graph, values: str) -> str:
    """The mean of a picture's values, `[1, 1, 1, 1]`."""
    axes = graph.constant(f"{values}_axes", np.array([1, 2], np.int32))
    name = f"{values}_mean"
    return graph.add(Op(tw.MEAN, [values, axes], name, (27, {0: 1})), TensorSpec(name, (1, 1, 1, 1), FLOAT))


def _reshaped(graph: Graph, values: str, shape: tuple[int, ...], name: str) -> str:
    wanted = graph.constant(f"{name}_shape", np.array(shape, np.int32))
    return graph.add(
        Op(tw.RESHAPE, [values, wanted], name, (17, {0: np.array(shape, np.int32)})), TensorSpec(name, shape, FLOAT)
    )
