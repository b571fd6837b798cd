"""Expected numbers: vectors, measurements, tensors."""

import math

import numpy as np

from edge_infer.golden.comparison import Arrays, Comparison, Limits, texts, within, words
from edge_infer.types import Array, Embedding, Measurements, Tensors

# Of a tensor, so many values are kept, evenly spread: a bundle stays small.
MAX_VALUES = 65536


def _embedding_differences(found: Embedding, expected: Embedding, limits: Limits) -> list[str]:
    if found.vector.shape != expected.vector.shape:
        return [f"a vector of {len(found)} numbers, {len(expected)} expected"]
    a, b = found.vector.astype(np.float64), expected.vector.astype(np.float64)
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(a @ b) / length if length else math.nan
    if cosine >= limits.golden.min_cosine - 1e-6:
        return []
    return [f"the cosine with the expected vector is {cosine:.3f}"]


def _restored_embedding(arrays: Arrays) -> Embedding:
    if arrays["vector"].ndim != 1:
        raise ValueError(f"a vector has shape {arrays['vector'].shape}")
    return Embedding(arrays["vector"])


def _measured_differences(found: Measurements, expected: Measurements, limits: Limits) -> list[str]:
    if (found.names, found.units) != (expected.names, expected.units):
        return [f"{', '.join(found.names)} measured, {', '.join(expected.names)} expected"]
    return [
        f"{mine.name} is {mine.value:.4g} {mine.unit}".rstrip() + f", {theirs.value:.4g} expected"
        for mine, theirs in zip(found, expected, strict=True)
        if not within(
            mine.value - theirs.value, max(limits.golden.tolerance * abs(theirs.value), limits.golden.min_tolerance)
        )
    ]


def _record_tensors(prediction: Tensors) -> dict[str, Array]:
    sampled = _sampled(prediction)
    return {"names": texts(list(sampled))} | {f"tensor{j}": value for j, value in enumerate(sampled.values())}


def _restored_tensors(arrays: Arrays) -> Tensors:
    return Tensors({name: arrays[f"tensor{j}"] for j, name in enumerate(map(str, arrays["names"].tolist()))})


def _sampled(prediction: Tensors) -> dict[str, Array]:
    """Flat values, at most MAX_VALUES of each tensor, evenly spread; by name and shape."""
    sampled = {}
    for name, value in prediction:
        flat = np.asarray(value).reshape(-1)
        sampled[f"{name} {list(value.shape)}"] = flat[:: max(1, math.ceil(flat.size / MAX_VALUES))]
    return sampled


def _tensor_differences(found: Tensors, expected: Tensors, limits: Limits) -> list[str]:
    mine = _sampled(found)
    if mine.keys() != expected.values.keys():
        return [f"the outputs are {', '.join(mine)}; expected {', '.join(expected.values)}"]
    problems = []
    for name, value in expected:
        wanted = value.astype(np.float64)
        away, length = (float(np.linalg.norm(part)) for part in (mine[name] - wanted, wanted))
        if not within(away, limits.golden.max_error * length):
            problems.append(f"{name} is {away / length:.2f} of its length away" if length else f"{name} is not 0")
    return problems


EMBEDDING = Comparison(
    prediction=Embedding,
    noun="embedding",
    record=lambda prediction: {"vector": prediction.vector},
    restore=_restored_embedding,
    differences=_embedding_differences,
    proves=lambda expected, _limits: bool(np.any(expected.vector)),
)
MEASUREMENTS = Comparison(
    prediction=Measurements,
    noun="measurements",
    record=lambda prediction: {
        "values": prediction.values,
        "names": texts(prediction.names),
        "units": texts(prediction.units),
    },
    restore=lambda arrays: Measurements(
        arrays["values"],
        words(arrays, "names", len(arrays["values"])),
        words(arrays, "units", len(arrays["values"])),
    ),
    differences=_measured_differences,
    proves=lambda expected, _limits: bool(len(expected)),
)
TENSORS = Comparison(
    prediction=Tensors,
    noun="tensors",
    record=_record_tensors,
    restore=_restored_tensors,
    differences=_tensor_differences,
    proves=lambda expected, _limits: any(np.any(value) for _, value in expected),
)
