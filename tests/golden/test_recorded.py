"""What golden.npz keeps of each kind of prediction, and what is refused."""

import zipfile
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_infer.bundle.manifest import Decode, Golden
from edge_infer.errors import ModelError
from edge_infer.golden import file as golden_file
from edge_infer.golden.comparison import Limits
from edge_infer.golden.comparisons import COMPARISONS
from edge_infer.golden.file import golden_bytes, read_golden
from edge_infer.types import Classes, Detections, Embedding, Frame, Keypoints, Mask, Measurements, Prediction, Tensors

FRAME = np.zeros((4, 5, 3), np.uint8)
numbers = st.floats(1 / 64, 1.0, width=32)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)


def columns(*shape: int) -> st.SearchStrategy[Any]:
    return arrays.arrays(np.float32, shape, elements=numbers)


@st.composite
def predictions(draw: st.DrawFn) -> tuple[str, Prediction]:
    """One of any kind, and how it is compared."""
    n, k = draw(st.integers(0, 4)), draw(st.integers(1, 3))
    names = tuple(draw(st.lists(words, min_size=n, max_size=n)))
    points = tuple(draw(st.lists(words, min_size=k, max_size=k)))
    ids = np.arange(n)
    made: dict[str, Any] = {
        "boxes": lambda: Detections(
            np.sort(draw(columns(n, 2, 2)), axis=1).reshape(n, 4),
            draw(columns(n)),
            ids,
            names,
            draw(columns(n, k, 2)),
            points,
            draw(columns(n, k)),
        ),
        "classes": lambda: Classes(ids, draw(columns(n)), names, draw(st.sampled_from([(), names]))),
        "mask": lambda: Mask(draw(arrays.arrays(np.uint8, (n + 1, k), elements=st.integers(0, 4))), names),
        "keypoints": lambda: Keypoints(draw(columns(k, 2)), draw(columns(k)), points, draw(st.none() | numbers)),
        "embedding": lambda: Embedding(draw(columns(n + 1))),
        "measurements": lambda: Measurements(draw(columns(n)), names, names),
        "tensors": lambda: Tensors({name: draw(columns(k, n)) for name in points}),
    }
    name = draw(st.sampled_from(list(made)))
    return name, made[name]()


def limits(name: str) -> Limits:
    golden = Golden(file=Path("golden.npz"), compare=name)  # type: ignore[arg-type]
    return Limits(golden, Decode(), (5, 4))


def kept(name: str, prediction: Prediction, folder: Path) -> Any:
    path = folder / "golden.npz"
    path.write_bytes(golden_bytes([(Frame("s", 0, FRAME, 0.0, 0), COMPARISONS[name].record(prediction))]))
    (expectation,) = read_golden(path, COMPARISONS[name])
    assert np.array_equal(expectation.frame.data, FRAME)
    return expectation.prediction


@given(predictions())
def test_what_is_kept_of_a_prediction_is_what_it_is_compared_with(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[str, Prediction]
) -> None:
    name, prediction = made
    expected = kept(name, prediction, tmp_path_factory.mktemp("kept"))
    assert COMPARISONS[name].differences(prediction, expected, limits(name)) == []


def test_a_manifest_may_name_each_comparison_and_no_other() -> None:
    fields = {field.name: field.type for field in msgspec.inspect.type_info(Golden).fields}  # type: ignore[attr-defined]
    assert set(fields["compare"].type.values) == set(COMPARISONS)


def test_each_kind_of_prediction_has_a_comparison() -> None:
    assert {comparison.prediction for comparison in COMPARISONS.values()} == set(get_args(Prediction))


def test_the_masks_of_objects_are_kept(tmp_path: Path) -> None:
    masks = tuple(np.random.default_rng(i).integers(0, 2, (2 + i, 3)).astype(bool) for i in range(2))
    boxes = np.float32([[0, 0, 3, 2], [1, 1, 4, 4]])
    found = Detections(boxes, np.float32([0.9, 0.8]), np.arange(2), ("a", "b"), masks=masks)
    expected = kept("boxes", found, tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(masks, expected.masks, strict=True))


def test_large_tensors_are_kept_in_part(tmp_path: Path) -> None:
    large = Tensors({"scores": np.random.default_rng(0).random((1, 8400, 84), np.float32)})
    expected = kept("tensors", large, tmp_path)
    assert (tmp_path / "golden.npz").stat().st_size < 300_000
    differences = COMPARISONS["tensors"].differences
    assert differences(large, expected, limits("tensors")) == []
    other = Tensors({"scores": large.values["scores"].reshape(1, 84, 8400)})
    assert "scores [1, 84, 8400]; expected scores [1, 8400, 84]" in differences(other, expected, limits("tensors"))[0]
    noise = Tensors({"scores": np.random.default_rng(1).random((1, 8400, 84), np.float32)})
    assert len(differences(noise, expected, limits("tensors"))) == 1


PARTS = {"frame_0": FRAME, "boxes_0": np.zeros((1, 4)), "scores_0": np.zeros(1), "class_ids_0": np.zeros(1)}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"frame_0": FRAME.astype(np.float32)}, "float32"),
        ({"frame_0": FRAME[..., 0]}, "a picture is"),
        ({"frame_0": FRAME[:0]}, "a picture is"),
        ({"labels_0": np.array(["a", "b"])}, "rows"),
        ({"keypoints_0": np.zeros((1, 2, 3))}, "keypoints"),
    ],
)
def test_parts_that_do_not_belong_together_are_damage(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    np.savez(tmp_path / "golden.npz", **PARTS | change)
    with pytest.raises(ModelError, match=rf"golden\.npz is damaged \(.*{what}"):
        read_golden(tmp_path / "golden.npz", COMPARISONS["boxes"])


def test_a_file_that_unpacks_to_far_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden_file, "MAX_BYTES", 100_000)
    np.savez_compressed(tmp_path / "golden.npz", **PARTS | {"frame_0": np.zeros((300, 300, 3), np.uint8)})
    with pytest.raises(ModelError, match=r"at most 100000 are read"):
        read_golden(tmp_path / "golden.npz", COMPARISONS["boxes"])
    monkeypatch.setattr(golden_file, "MAX_FRAMES", 0)
    np.savez_compressed(tmp_path / "golden.npz", **PARTS)
    with pytest.raises(ModelError, match=r"1 frames, at most 0 are read"):
        read_golden(tmp_path / "golden.npz", COMPARISONS["boxes"])


def test_an_array_that_claims_to_be_endless_is_damage(tmp_path: Path) -> None:
    header = b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (999999999999999, 3)}"
    with zipfile.ZipFile(tmp_path / "golden.npz", "w") as archive:
        archive.writestr("frame_0.npy", header.ljust(127) + b"\n")
    with pytest.raises(ModelError, match=r"golden\.npz is damaged"):
        read_golden(tmp_path / "golden.npz", COMPARISONS["boxes"])
