import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_infer.decode.embedding import EmbeddingDecoder, unit
from edge_infer.decode.gallery import Gallery
from edge_infer.types import Array, Geometry, TensorSpec

SAME = Geometry((10, 10), (10, 10))
FLOAT = np.dtype(np.float32)


def gallery(*rows: tuple[str, list[float]]) -> Gallery:
    vectors = np.array([unit(np.array(vector, np.float32)) for _, vector in rows])
    return Gallery(vectors, tuple(label for label, _ in rows), tuple(f"{i}.jpg" for i in range(len(rows))), ("sha",))


KNOWN = gallery(("cat", [1, 0, 0]), ("dog", [0, 1, 0]), ("cat", [0, 0, 1]), ("cow", [-1, 0, 0]))


def spec(*shape: int, scale: float | None = None) -> TensorSpec:
    quantization = ((scale,), (128,)) if scale else ((), ())
    return TensorSpec("embedding", shape, np.dtype(np.uint8) if scale else FLOAT, *quantization)


def test_the_nearest_picture_of_each_label_decides() -> None:
    found = EmbeddingDecoder(spec(1, 3), KNOWN)([np.array([[0.0, 3.0, 4.0]], np.float32)], SAME)
    assert found.vector == pytest.approx([0, 0.6, 0.8])
    assert found.nearest is not None
    assert found.nearest.labels == ("cat", "dog", "cow")
    assert found.nearest.scores == pytest.approx([0.8, 0.6, 0])
    assert found.nearest.class_ids.tolist() == [0, 2, 1]  # places of the sorted labels


def test_or_the_mean_of_each_label() -> None:
    vector = np.array([[0.0, 3.0, 4.0]], np.float32)
    found = EmbeddingDecoder(spec(1, 3), KNOWN, match="mean")([vector], SAME).nearest
    assert found is not None
    assert found.labels == ("dog", "cat", "cow")
    assert found.scores == pytest.approx([0.6, 0.8 / np.sqrt(2), 0])


def test_matches_can_be_limited() -> None:
    vector = [np.array([[0.0, 3.0, 4.0]], np.float32)]
    assert EmbeddingDecoder(spec(1, 3), KNOWN, top_k=1)(vector, SAME).nearest.labels == ("cat",)  # type: ignore[union-attr]
    assert len(EmbeddingDecoder(spec(1, 3), KNOWN, min_score=0.7)(vector, SAME).nearest) == 1  # type: ignore[arg-type]


@given(
    vectors=hnp.arrays(np.float32, (12, 4), elements=st.floats(-1, 1, width=16)),
    labels=st.lists(st.sampled_from("abc"), min_size=12, max_size=12),
    asked=hnp.arrays(np.float32, 4, elements=st.floats(-1, 1, width=16)),
    mean=st.booleans(),
)
def test_a_search_finds_what_a_plain_one_finds(vectors: Array, labels: list[str], asked: Array, mean: bool) -> None:
    rows = np.array([unit(vector) for vector in vectors])
    expected = {}
    for name in set(labels):
        own = [row for row, label in zip(rows, labels, strict=True) if label == name]
        candidates = [unit(np.sum(own, axis=0, dtype=np.float64))] if mean else own
        expected[name] = max(float(np.dot(row, unit(asked))) for row in candidates)
    known = Gallery(rows, tuple(labels), tuple(map(str, range(12))), ())
    found = EmbeddingDecoder(spec(4), known, match="mean" if mean else "nearest", top_k=3)([asked], SAME).nearest
    assert found is not None
    assert {c.label: c.score for c in found} == pytest.approx({n: max(0.0, s) for n, s in expected.items()}, abs=1e-5)
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)


@given(hnp.arrays(np.float32, 5))
def test_every_vector_has_length_one_or_none(vector: Array) -> None:
    length = np.linalg.norm(unit(vector).astype(np.float64))
    assert length == pytest.approx(1, abs=1e-5) or (length == 0 and (not np.isfinite(vector).all() or not vector.any()))


def test_what_has_no_direction_resembles_nothing() -> None:
    found = EmbeddingDecoder(spec(1, 3), KNOWN, min_score=0.1)([np.full((1, 3), np.nan, np.float32)], SAME)
    assert not found.vector.any()
    assert found.nearest is not None
    assert len(found.nearest) == 0


def test_a_quantised_embedding_is_told_from_its_zero_point() -> None:
    stored = np.array([[[[128 + 3, 128, 128 - 4]]]], np.uint8)
    found = EmbeddingDecoder(spec(1, 1, 1, 3, scale=1 / 128))([stored], SAME)
    assert found.vector == pytest.approx([0.6, 0, -0.8])
    assert found.nearest is None
