"""CenterNet without post-processing in the model."""

from collections.abc import Sequence

from edge_infer.bundle.manifest import Decode
from edge_infer.decode.centernet import CenterNetDecoder, Heads
from edge_infer.decode.decoder import Decoder
from edge_infer.decode.heatmap import is_probability
from edge_infer.errors import ModelError
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.types import TensorSpec

# Parts of names. Source: heads of the paper's code (hm, wh, reg) and of TensorFlow's Object Detection API, in whose
# pairs y comes first (object_center, box/scale, box/offset).
SIZES = ("wh", "size", "scale")
OFFSETS = ("reg", "offset")


def find_heads(specs: Sequence[TensorSpec], names: Sequence[str], *, guess: bool = False) -> Heads | None:
    """Which output is which; None where these are not CenterNet's.

    `names` are those of the specs, or better ones; where they do not tell size and offset apart, `guess` takes them in
    the order of the paper's code.
    """
    grids = [spec.shape for spec in specs]
    if len(grids) != 3 or any(len(grid) != 4 or grid[0] != 1 or grid[1:3] != grids[0][1:3] for grid in grids):
        return None
    sizes = [i for i, name in enumerate(names) if any(part in name.lower() for part in SIZES) and grids[i][3] == 2]
    offsets = [i for i, name in enumerate(names) if any(part in name.lower() for part in OFFSETS) and grids[i][3] == 2]
    if len(sizes) == len(offsets) == 1 and sizes != offsets:
        return Heads(3 - sizes[0] - offsets[0], sizes[0], offsets[0], y_first="scale" in names[sizes[0]].lower())
    pairs = [i for i, grid in enumerate(grids) if grid[3] == 2]
    pairs = pairs[1:] if len(pairs) == 3 else pairs  # two classes
    if not guess or len(pairs) != 2:
        return None
    return Heads(3 - sum(pairs), pairs[0], pairs[1])


def _names(clues: Clues, specs: Sequence[TensorSpec]) -> list[str]:
    """Of the outputs: those of a signature are the author's own."""
    signature = next(iter(clues.model.signatures.values()), None)
    said = {place: name for name, place in signature.outputs.items()} if signature else {}
    return [f"{spec.name} {said.get(place, '')}" for place, spec in enumerate(specs)]


def _recognise(clues: Clues) -> str | None:
    found = find_heads(clues.outputs, _names(clues, clues.outputs))
    return "the names and shapes of its outputs" if found else None


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    heads = find_heads(specs, _names(recipe.clues, specs), guess=True)
    if heads is None:
        raise ModelError(
            "CenterNet has three outputs [1, h, w, classes], [1, h, w, 2] (sizes) and [1, h, w, 2] (offsets); this "
            "model has other ones"
        )
    operators = recipe.clues.model.output_operators
    logits = not is_probability(specs[heads.heat], operators[heads.heat] if heads.heat < len(operators) else "")
    return CenterNetDecoder(
        specs,
        heads,
        recipe.labels,
        logits=logits,
        classes=recipe.filter(),
        **recipe.given("min_score", "max_results"),
    )


CENTERNET = Kind(
    name="centernet",
    task="detect",
    summary="a heat map with sizes and offsets, CenterNet",
    build=_build,
    recognise=_recognise,
    usual_decode=Decode(min_score=0.3),  # Source: vis_thresh of the paper's code
)
