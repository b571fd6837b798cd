"""Anomaly scores."""

from collections.abc import Sequence

from edge_infer.decode.anomaly import AnomalyDecoder, Normal
from edge_infer.decode.decoder import Decoder
from edge_infer.errors import ModelError
from edge_infer.kinds.kind import Kind, Recipe, Shape
from edge_infer.kinds.normal_file import read_normal
from edge_infer.types import TensorSpec


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    path, threshold = recipe.clues.model.path, recipe.decode.threshold
    if len(specs) != 1:
        raise ModelError(f"an anomaly score comes from one output; {path} has {len(specs)}")
    if threshold is None:
        raise ModelError(
            f"from which score on {path} means an anomaly is not known: say decode: {{threshold: ...}}, or let "
            "`edge-infer fit anomaly` find it"
        )
    count = 1
    for side in shapes[0]:
        count *= side
    normal = _normal(recipe, count)
    if normal is None and count != 1:
        raise ModelError(
            f"an anomaly score is one number, {path} gives {count}: `edge-infer fit anomaly --embed {path}` learns "
            "what is normal for them"
        )
    return AnomalyDecoder(specs[0], threshold, normal)


def _normal(recipe: Recipe, count: int) -> Normal | None:
    path, model = recipe.decode.statistics, recipe.clues.model
    if path is None:
        return None
    normal, models = read_normal(path)
    if model.sha256 not in models or len(normal.mean) != count:
        raise ModelError(
            f"the statistics {path} are of another model than {model.path}: make them again, `edge-infer fit anomaly`"
        )
    return normal


ANOMALY = Kind(
    name="anomaly",
    task="anomaly",
    summary="how unusual something is, as `edge-infer fit anomaly` has learned it",
    build=_build,
)
