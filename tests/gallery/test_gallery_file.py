import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edge_infer.decode.gallery import Gallery
from edge_infer.errors import ModelError, UnavailableError
from edge_infer.kinds.gallery_file import MAX_BYTES, read_gallery, write_gallery

KNOWN = Gallery(np.eye(3, dtype=np.float32), ("größer", "猫", "größer"), ("a.jpg", "b/c.jpg", "d.jpg"), ("1f", "2e"))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "g.npz"
    write_gallery(path, KNOWN)
    found = read_gallery(path)
    assert (found.labels, found.sources, found.models) == (KNOWN.labels, KNOWN.sources, KNOWN.models)
    assert found.vectors.tolist() == KNOWN.vectors.tolist()
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_an_empty_gallery_is_read_again(tmp_path: Path) -> None:
    write_gallery(tmp_path / "g.npz", Gallery(np.zeros((0, 3), np.float32), (), (), ("1f",)))
    assert len(read_gallery(tmp_path / "g.npz")) == 0


def test_a_write_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "g.npz"
    write_gallery(path, KNOWN)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnavailableError, match="No space left"):
        write_gallery(path, Gallery(np.ones((1, 3), np.float32), ("x",), ("y",), ()))
    assert read_gallery(path).labels == KNOWN.labels
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_gallery_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="`edge-infer gallery add` makes one"):
        read_gallery(tmp_path / "none.npz")


def write_arrays(path: Path, **arrays: object) -> Path:
    whole = {
        "schema": "edge-infer/gallery@1", "vectors": np.zeros((1, 2), np.float32),
        "labels": ["a"], "sources": ["b"], "models": ["c"],
    }  # fmt: skip
    np.savez(path, **{name: np.array(value) for name, value in (whole | arrays).items()})  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    "arrays",
    [
        {"schema": "edge-infer/gallery@2"},
        {"vectors": np.zeros((2, 2), np.float32)},
        {"vectors": np.zeros(2, np.float32)},
        {"vectors": np.zeros((1, 2), np.float64)},
        {"vectors": np.array([[np.nan, 1]], np.float32)},
        {"labels": np.array([None], object)},
    ],
    ids=str,
)
def test_another_file_is_refused(tmp_path: Path, arrays: dict[str, object]) -> None:
    with pytest.raises(ModelError, match=r"make (it|the gallery) again"):
        read_gallery(write_arrays(tmp_path / "g.npz", **arrays))


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "g.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is no gallery, or damaged"):
        read_gallery(path)
    write_gallery(path, KNOWN)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError, match="is no gallery, or damaged"):
        read_gallery(path)


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "g.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("vectors.npy", "w") as member:
        for _ in range(MAX_BYTES // 2**22 + 1):
            member.write(bytes(2**22))
    with pytest.raises(ModelError, match="split it"):
        read_gallery(path)
