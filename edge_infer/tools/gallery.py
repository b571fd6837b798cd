"""A gallery is filled and emptied."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.model_file import read_model
from edge_infer.decode.gallery import Gallery
from edge_infer.errors import InputError, ModelError, UnavailableError, UsageError
from edge_infer.kinds.gallery_file import read_gallery
from edge_infer.model import Model
from edge_infer.sources.images import find_images
from edge_infer.types import Array, Embedding


@dataclass(frozen=True, slots=True)
class Known:
    """A picture and what it shows."""

    label: str
    path: Path


def known_pictures(inputs: Sequence[str], label: str | None) -> list[Known]:
    """The pictures that inputs stand for: of this label; or else inputs are folders, with a folder for each label.

    Raises:
        UnavailableError: there is none.
        UsageError: the label cannot be known.
    """
    if label is not None:
        return [Known(label, path) for path in find_images(list(inputs))]
    found = []
    for given in map(Path, inputs):
        folders = sorted(path for path in given.iterdir() if path.is_dir()) if given.is_dir() else []
        if not folders:
            raise UsageError(f"what {given} shows is not known: give --label, or a folder with a folder for each label")
        found += [Known(folder.name, path) for folder in folders for path in find_images(folder)]
    return found


def check_embeds(model: Model) -> None:
    """See that a model gives embeddings.

    Raises:
        ModelError: it does something else.
    """
    if model.task != "embed":
        path = model.recipe.clues.model.path
        raise ModelError(
            f"{path} gives no embeddings, its task is {model.task}: `edge-infer gallery extractor {path} --out FILE` "
            "makes a model of a classifier that does"
        )


def files_of(path: Path) -> tuple[str, ...]:
    """sha256 of the files of a model, for the CPU and for an Edge TPU: both say the same, and share a gallery."""
    bundle = open_bundle(path)
    return tuple(read_model(file).sha256 for file in (bundle.cpu, bundle.edgetpu) if file)


def embedded(model: Model, picture: Known) -> Array:
    """The vector of a picture.

    Raises:
        UnavailableError: there is no such file.
        InputError: it is no picture, or the model sees nothing in it.
    """
    prediction = model(picture.path).prediction
    assert isinstance(prediction, Embedding)  # noqa: S101 - what models of this task give
    if not prediction.vector.any():
        raise InputError(f"the model says nothing of {picture.path}: its vector is zero, or not finite")
    return prediction.vector


def opened(path: Path, models: tuple[str, ...]) -> Gallery | None:
    """The gallery at a path; None where there is none yet.

    Raises:
        ModelError: it is of another model, or damaged.
    """
    if not path.exists():
        return None
    gallery = read_gallery(path)
    if not set(models) & set(gallery.models):
        raise ModelError(f"the gallery {path} was made with another model: give that one, or another file")
    return gallery


def added(gallery: Gallery | None, models: tuple[str, ...], new: Iterable[tuple[Known, Array]]) -> Gallery:
    """The gallery with these pictures; one that it has already is replaced.

    Raises:
        ModelError: the vectors have another length.
    """
    rows = (
        {}
        if gallery is None
        else dict(zip(gallery.sources, zip(gallery.labels, gallery.vectors, strict=True), strict=True))
    )
    rows |= {str(known.path): (known.label, vector) for known, vector in new}
    lengths = {len(vector) for _, vector in rows.values()}
    if len(lengths) > 1:
        raise ModelError(f"the gallery would hold vectors of {' and '.join(map(str, sorted(lengths)))} numbers")
    both = (*(gallery.models if gallery else ()), *models)
    return Gallery(
        np.array([vector for _, vector in rows.values()], np.float32),
        tuple(label for label, _ in rows.values()),
        tuple(rows),
        tuple(dict.fromkeys(both)),
    )


def without(gallery: Gallery, labels: Sequence[str], sources: Sequence[str]) -> Gallery:
    """The gallery without all pictures of these labels, and without these pictures.

    Raises:
        UnavailableError: it has no such label or picture.
    """
    for what, names, there in (("label", labels, gallery.labels), ("picture", sources, gallery.sources)):
        for name in names:
            if name not in there:
                known = ", ".join(dict.fromkeys(there))
                raise UnavailableError(f"the gallery has no {what} '{name}'; it has {known[:300]}")
    pairs = zip(gallery.labels, gallery.sources, strict=True)
    kept = [row for row, (label, source) in enumerate(pairs) if label not in labels and source not in sources]
    return Gallery(
        gallery.vectors[kept],
        tuple(gallery.labels[row] for row in kept),
        tuple(gallery.sources[row] for row in kept),
        gallery.models,
    )
