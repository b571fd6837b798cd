"""How good a golden test is: which mistakes it would notice."""

from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from edge_infer.bundle.bundle import open_bundle
from edge_infer.errors import EdgeInferError
from edge_infer.golden import golden_problems
from edge_infer.kinds.kind import Recipe
from edge_infer.model import Model, load
from edge_infer.types import Array


def noticed(folder: Path, where: dict[str, Any]) -> dict[str, bool]:
    """Whether the golden test of a bundle fails when the model is used wrongly, by the mistake.

    `where`: arguments of `load`, such as the device.
    """
    bundle = open_bundle(folder)
    with load(folder, **where) as model:
        wrong_options, right = mistakes(model.recipe), _probed(model)
    found = {}
    for mistake, wrong in wrong_options.items():
        try:
            with load(folder, **where, **wrong) as model:
                if not np.array_equal(_probed(model), right):  # or else this mistake makes no difference
                    found[mistake] = bool(golden_problems(bundle, model))
        except EdgeInferError:  # this mistake cannot be made
            continue
    return found


def _probed(model: Model) -> Array:
    """What becomes of a picture of noise."""
    right, bottom = (model.recipe.prepare.roi or (0, 0, 0, 0))[2:]  # a region must lie in it
    noise = np.random.default_rng(0).integers(0, 256, (max(60, ceil(bottom)), max(100, ceil(right)), 3), np.uint8)
    return model.engine.feed.prepare(noise)[0].copy()


def mistakes(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """What people get wrong around a model, as options of `load`."""
    prepare = recipe.prepare
    wrong: dict[str, dict[str, Any]] = {
        "resized otherwise": {"resize": "letterbox" if prepare.resize == "stretch" else "stretch"}
    }
    if prepare.color != "gray":
        wrong["swapped colours"] = {"color": "rgb" if prepare.color == "bgr" else "bgr"}
    if prepare.mean and prepare.std:
        zero_to_one = prepare.mean != (0.0,)
        wrong["normalised otherwise"] = {"mean": 0.0, "std": 255.0} if zero_to_one else {"mean": 127.5, "std": 127.5}
    return wrong
