"""How good a golden test is: which mistakes it would notice."""

from pathlib import Path
from typing import Any

import numpy as np

from edge_infer.bundle.bundle import open_bundle
from edge_infer.errors import EdgeInferError
from edge_infer.golden import golden_problems
from edge_infer.kinds.kind import Recipe
from edge_infer.loading import load
from edge_infer.model import Model
from edge_infer.prepare.image import ImageOptions
from edge_infer.prepare.samples import SampleOptions
from edge_infer.tools.noise import noise_frame
from edge_infer.types import Array, Frame

PROBE = (100, 60)  # width, height: of no usual aspect, or resizing it otherwise would make no difference
GRAVITY = 9.80665  # m/s^2: what who gives g instead is off by, and another unit by about as much. Source: BIPM
INT16 = 32768.0  # what who gives sound as whole numbers is off by


def noticed(folder: Path, where: dict[str, Any]) -> dict[str, bool]:
    """Whether the golden test of a bundle fails when the model is used wrongly, by the mistake.

    `where`: arguments of `load`, such as the device.
    """
    bundle = open_bundle(folder)
    with load(folder, **where) as model:
        frame = noise_frame(model, PROBE)
        wrong_options, right = mistakes(model.recipe), _probed(model, frame)
    found = {}
    for mistake, wrong in wrong_options.items():
        try:
            with load(folder, **where, **wrong) as model:
                if not all(map(np.array_equal, _probed(model, frame), right)):  # or else it makes no difference
                    found[mistake] = bool(golden_problems(bundle, model))
        except EdgeInferError:  # this mistake cannot be made
            continue
    return found


def _probed(model: Model, frame: Frame) -> list[Array]:
    """What becomes of a frame."""
    return [tensor.copy() for tensor in model.engine.feed(frame)[0]]


def mistakes(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """What people get wrong around a model, as options of `load`."""
    if isinstance(recipe.prepare, SampleOptions):
        return _with_samples(recipe.prepare)
    return _with_pictures(recipe.prepare)


def _with_pictures(prepare: ImageOptions) -> dict[str, dict[str, Any]]:
    wrong: dict[str, dict[str, Any]] = {
        "resized otherwise": {"resize": "letterbox" if prepare.resize == "stretch" else "stretch"}
    }
    if prepare.color != "gray":
        wrong["swapped colours"] = {"color": "rgb" if prepare.color == "bgr" else "bgr"}
    if prepare.mean and prepare.std:
        zero_to_one = prepare.mean != (0.0,)
        wrong["normalised otherwise"] = {"mean": 0.0, "std": 255.0} if zero_to_one else {"mean": 127.5, "std": 127.5}
    return wrong


def _with_samples(prepare: SampleOptions) -> dict[str, dict[str, Any]]:
    unit = 1 / INT16 if prepare.sound else GRAVITY
    mean, std = (tuple(value * unit for value in values) for values in (prepare.mean or (0.0,), prepare.std or (1.0,)))
    wrong: dict[str, dict[str, Any]] = {"another unit": {"mean": mean, "std": std}}
    if prepare.mean or prepare.std:
        wrong["not normalised"] = {"mean": 0.0, "std": 1.0}
    if len(prepare.channels) > 1:
        wrong["other order of channels"] = {"channels": prepare.channels[::-1]}
    return wrong
