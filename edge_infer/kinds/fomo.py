"""FOMO, Edge Impulse's detector of small things."""

from collections.abc import Sequence

from edge_infer.bundle.labels import labels_from
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.decode.decoder import Decoder
from edge_infer.decode.heatmap_fomo import FomoDecoder
from edge_infer.errors import ModelError
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.types import TensorSpec

CELL_PX = 8  # Source: Edge Impulse's documentation of FOMO: the grid is 1/8 of the input


def _recognise(clues: Clues) -> str | None:
    if len(clues.outputs) != 1 or len(clues.model.inputs) != 1 or clues.model.output_operators[0] != "SOFTMAX":
        return None
    grid, picture = clues.outputs[0].shape, clues.model.inputs[0].shape
    if len(grid) != 4 or len(picture) != 4 or grid[0] != 1 or grid[3] < 2 or min(grid) < 1:
        return None
    if (grid[1] * CELL_PX, grid[2] * CELL_PX) != tuple(picture[1:3]):
        return None
    if labels_from(clues.model, clues.metadata, 0):  # which Edge Impulse does not write: it is segmentation
        return None
    return f"a softmax for each {CELL_PX}x{CELL_PX} pixels of the input"


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    if len(specs) != 1 or len(specs[0].shape) != 4 or specs[0].shape[3] < 2:
        raise ModelError("FOMO has one output [1, rows, columns, 1 + classes]; this model has other ones")
    return FomoDecoder(specs[0], recipe.labels, classes=recipe.filter(), **recipe.given("min_score", "max_results"))


FOMO = Kind(
    name="fomo",
    task="detect",
    summary="small things on a grid, Edge Impulse's FOMO",
    build=_build,
    recognise=_recognise,
    # Source: Edge Impulse's image block: pixels as 0..1; 0.5 is the SDK's default threshold.
    usual_prepare=Prepare(mean=(0.0,), std=(255.0,)),
    usual_decode=Decode(min_score=0.5),
)
