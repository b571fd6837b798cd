"""Another model as the one who looks: what it sees is compared with what it saw while all was normal."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.manifest import Prepare, Roi
from edge_infer.bundle.manifest_file import read_manifest
from edge_infer.errors import ModelError
from edge_infer.loading import load
from edge_infer.model import Model
from edge_infer.tools.bundle_explicit import explicit_prepare
from edge_infer.tools.gallery_models import extractor


@dataclass(frozen=True)
class Embedder:
    """A model that gives embeddings.

    Attributes:
        prepare: how it is used, as a manifest says it
        files: of the bundle, by name
        license: of it, "" where nobody says
    """

    model: Model
    prepare: Prepare
    files: dict[str, bytes]
    license: str


@contextmanager
def embedder(path: Path, roi: Roi | None = None) -> Iterator[Embedder]:
    """The model at a path; of a classifier what its last layer is given. `roi`: the part of pictures that is looked at.

    Raises:
        ModelError: it is neither.
    """
    bundle = open_bundle(path)
    license_line = read_manifest(bundle.manifest).license if bundle.manifest else ""
    with load(path, prepare=Prepare(roi=roi)) as model, tempfile.TemporaryDirectory() as folder:
        prepare = explicit_prepare(model)
        if model.task == "embed":
            parts = {"model.tflite": bundle.cpu, "model_edgetpu.tflite": bundle.edgetpu}
            files = {name: part.read_bytes() for name, part in parts.items() if part}
            if "model.tflite" not in files:
                raise ModelError(f"{path} is for an Edge TPU only: give the model for the CPU, too")
            yield Embedder(model, prepare, files, license_line)
            return
        if model.task != "classify" or bundle.cpu is None:
            raise ModelError(
                f"{path} gives no embeddings, its task is {model.task}: give a model that does, or a classifier"
            )
        cut = Path(folder, "model.tflite")
        cut.write_bytes(extractor(bundle.cpu.read_bytes(), str(bundle.cpu)))
        with load(cut, kind="embed", prepare=prepare) as looking:
            yield Embedder(looking, prepare, {cut.name: cut.read_bytes()}, license_line)
