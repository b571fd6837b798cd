"""A classifier and a gallery become new model files."""

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_infer.bundle.labels import labels_from
from edge_infer.bundle.metadata import Metadata, read_metadata
from edge_infer.bundle.model_file import ModelFile, read_model
from edge_infer.errors import ModelError, UsageError
from edge_infer.kinds.gallery_file import read_gallery, replace_file
from edge_infer.tools.gallery_models import class_count, extractor, imprinted


def write_extractor(path: Path, out: Path) -> int:
    """Write the model that gives the embeddings of a classifier; how many numbers they have.

    Raises:
        ModelError: it is not a classifier that could be cut before its last layer.
        UsageError: the file would replace the classifier.
    """
    data = _read(path, out)
    replace_file(out, extractor(data, str(path)))
    return read_model(out).outputs[0].shape[-1]


def write_imprinted(path: Path, gallery_path: Path, out: Path, *, keep: bool) -> tuple[str, ...]:
    """Write a classifier whose classes are the labels of a gallery, `keep`: behind its own; all labels.

    Raises:
        ModelError: the gallery was not made with the extractor of this classifier, or it cannot be imprinted.
        UsageError: the file would replace the classifier.
    """
    data = _read(path, out)
    gallery = read_gallery(gallery_path)
    if hashlib.sha256(extractor(data, str(path))).hexdigest() not in gallery.models:
        raise ModelError(
            f"the gallery {gallery_path} was not made with the embeddings of {path}: make it with the model that "
            f"`edge-infer gallery extractor {path} --out FILE` writes"
        )
    if not len(gallery):
        raise ModelError(f"the gallery {gallery_path} is empty: add pictures, `edge-infer gallery add`")
    model = read_model(path)
    metadata = read_metadata(model)
    own = labels_from(model, metadata, 0) if keep else ()
    unnamed = ("",) * (class_count(data, str(path)) - len(own)) if keep else ()
    labels = (*own, *unnamed, *gallery.names)
    archive = _archive(model, metadata, labels)
    replace_file(out, imprinted(data, str(path), gallery.means, keep=keep, archive=archive))
    read_model(out)
    return labels


def _read(path: Path, out: Path) -> bytes:
    read_model(path)
    if out.exists() and out.samefile(path):
        raise UsageError(f"{out} is the classifier itself: choose another file")
    return path.read_bytes()


def _archive(model: ModelFile, metadata: Metadata | None, labels: Sequence[str]) -> bytes:
    """The model's files, with these labels under the names that its metadata has for them."""
    files = metadata.outputs[0].files if metadata and metadata.outputs else ()
    names = [file.name for file in files if file.type == "TENSOR_AXIS_LABELS"]
    names = names or [name for name in model.files if "label" in name.lower()] or ["labels.txt"]
    text = "".join(f"{class_id} {label or '???'}\n" for class_id, label in enumerate(labels))
    return _packed({**model.files, **dict.fromkeys(names, text.encode())})


def _packed(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # without the time: the same files, the same bytes
    return packed.getvalue()
