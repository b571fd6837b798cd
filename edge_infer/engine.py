"""One model file on one runtime, ready to be asked about frames."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_infer.bundle.bundle import Bundle
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.bundle.model_file import ModelFile
from edge_infer.decode.decoder import Decoder
from edge_infer.decoders import make_decoder
from edge_infer.errors import ModelError
from edge_infer.prepare.image import ImagePreparer
from edge_infer.recipe import Recipe, make_recipe
from edge_infer.runtime.runtime import Runtime
from edge_infer.types import Frame, ModelId, Result


@dataclass(frozen=True)
class Use:
    """How a model is to be used, wherever it runs."""

    bundle: Bundle
    prepare: Prepare
    decode: Decode
    labels: Path | Sequence[str] | None


@dataclass(frozen=True)
class Engine:
    """Preparation, runtime and decoder joined."""

    id: ModelId
    recipe: Recipe
    runtime: Runtime
    prepare: ImagePreparer
    decode: Decoder

    @classmethod
    def of(cls, use: Use, file: ModelFile, runtime: Runtime, warm_shapes: Sequence[tuple[int, ...]]) -> "Engine":
        """An engine for a file that the runtime has loaded; `warm_shapes` are those of the outputs of a run.

        Raises:
            ModelError: it cannot be known what the model does.
        """
        if len(file.inputs) != 1:
            raise ModelError(f"{file.path} has {len(file.inputs)} inputs; pictures go to models with one")
        recipe = make_recipe(use.bundle, file, use.prepare, use.decode, use.labels)
        preparer = ImagePreparer(runtime.inputs[0], recipe.prepare)
        decoder = make_decoder(recipe, file, runtime.outputs, warm_shapes)
        return cls(use.bundle.id_of(file.path, file.sha256), recipe, runtime, preparer, decoder)

    def answer(self, frame: Frame) -> Result:
        """The result for one frame, with the time of each stage.

        Raises:
            InputError: the frame is not what the model takes.
            ModelError: the runtime failed.
            DelegateError: the accelerator failed.
        """
        started = time.perf_counter()
        tensor, geometry = self.prepare(frame.data)
        prepared = time.perf_counter()
        outputs = self.runtime.run([tensor])
        inferred = time.perf_counter()
        prediction = self.decode(outputs, geometry)
        decoded = time.perf_counter()
        return Result.of(
            frame,
            task=self.decode.task,
            model=self.id,
            device=self.runtime.device,
            prediction=prediction,
            timings_ms={
                "prepare": (prepared - started) * 1e3,
                "infer": (inferred - prepared) * 1e3,
                "decode": (decoded - inferred) * 1e3,
            },
        )
