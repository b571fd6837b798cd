import os
import re
from pathlib import Path

import pytest

from edge_infer.bundle.model_file import MAX_MODEL_BYTES, read_model
from edge_infer.errors import ModelError, UnavailableError

FOREIGN = {
    "empty": b"",
    "text": b"label one\nlabel two\n",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n",
    "an HTML page": b"\n<!DOCTYPE html><html>404</html>",
    "a zip archive": b"PK\x03\x04\x14\0\0\0",
    "an ONNX model": b"\x08\x07\x12\x07pytorch\x1a\x05",
    "a Keras model (HDF5)": b"\x89HDF\r\n\x1a\n\0\0",
    "a picture": b"\xff\xd8\xff\xe0\0\x10JFIF",
    "zeros only": bytes(4096),
    "something else": b"\x1c\0\0\0TFL2\xff\xfe\0\0",
}


@pytest.mark.parametrize("looks_like", FOREIGN)
def test_a_file_that_is_no_model_is_named_in_one_line(tmp_path: Path, looks_like: str) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(FOREIGN[looks_like])
    with pytest.raises(ModelError) as caught:
        read_model(path)
    assert f"{path} is {looks_like}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_text_that_is_cut_within_a_letter_is_still_text(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"a" + "ä".encode() * 400)
    with pytest.raises(ModelError, match="is text"):
        read_model(path)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=re.escape(f"{tmp_path}/nothing (No such file or directory)")):
        read_model(tmp_path / "nothing")
    with pytest.raises(ModelError, match="is not a file"):
        read_model(tmp_path)


def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="is not a file"):
        read_model(tmp_path / "pipe")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    with path.open("wb") as file:
        file.truncate(MAX_MODEL_BYTES + 1)
    with pytest.raises(ModelError, match=f"has {MAX_MODEL_BYTES + 1} bytes"):
        read_model(path)
