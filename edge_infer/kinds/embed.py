"""Embeddings."""

from collections.abc import Sequence

from edge_infer.bundle.manifest import Decode
from edge_infer.decode.decoder import Decoder
from edge_infer.decode.embedding import EmbeddingDecoder
from edge_infer.decode.gallery import Gallery
from edge_infer.decode.landmarks import length
from edge_infer.errors import ModelError
from edge_infer.kinds.gallery_file import read_gallery
from edge_infer.kinds.kind import Clues, Kind, Recipe, Shape
from edge_infer.types import TensorSpec

NORMALIZATION = "L2_NORMALIZATION"
# What authors call such an output. Source: MediaPipe's ImageEmbedder models, TensorFlow Hub's feature vectors.
NAMES = ("embedding", "embeddings", "feature", "features", "feature_vector", "feature vector", "image_embedding")


def _recognise(clues: Clues) -> str | None:
    if len(clues.outputs) != 1 or length(clues.outputs[0]) < 2:
        return None
    if clues.model.output_operators[0] == NORMALIZATION:
        return f"an output that {NORMALIZATION} makes"
    metadata = [tensor.name for tensor in clues.metadata.outputs[:1]] if clues.metadata else []
    signatures = [name for signature in clues.model.signatures.values() for name in signature.outputs]
    for name in (*metadata, *signatures, clues.outputs[0].name):
        if name.lower() in NAMES:
            return f"an output named '{name}'"
    return None


def _build(recipe: Recipe, specs: Sequence[TensorSpec], shapes: Sequence[Shape]) -> Decoder:
    if len(specs) != 1:
        raise ModelError(f"an embedding is one output; {recipe.clues.model.path} has {len(specs)}")
    return EmbeddingDecoder(specs[0], _gallery(recipe, shapes[0]), **recipe.given("match", "top_k", "min_score"))


def _gallery(recipe: Recipe, shape: Shape) -> Gallery | None:
    path, model = recipe.decode.gallery, recipe.clues.model
    if path is None:
        return None
    gallery = read_gallery(path)
    if model.sha256 not in gallery.models:
        raise ModelError(
            f"the gallery {path} was made with another model than {model.path}: what they say cannot be compared; "
            "make it again with `edge-infer gallery add`"
        )
    if gallery.vectors.shape[1] != max(shape):
        raise ModelError(
            f"the gallery {path} holds vectors of {gallery.vectors.shape[1]} numbers, {model.path} gives {max(shape)}: "
            "make it again with `edge-infer gallery add`"
        )
    return gallery


EMBED = Kind(
    name="embed",
    task="embed",
    summary="a vector to compare pictures with, and what it resembles in a gallery",
    build=_build,
    recognise=_recognise,
    usual_decode=Decode(min_score=0.0, top_k=5),
)
