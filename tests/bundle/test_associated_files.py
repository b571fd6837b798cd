import io
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from edge_infer.bundle.associated_files import MAX_BYTES, MAX_FILES, AssociatedFiles
from edge_infer.bundle.model_file import read_model
from edge_infer.errors import ModelError


def archive(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return content.getvalue()


def opened(content: bytes) -> AssociatedFiles:
    return AssociatedFiles(memoryview(content), "model.tflite")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_are_read_by_name(compression: int) -> None:
    files = {"labels.txt": b"cat\ndog\n", "empty": b""}
    assert dict(opened(archive(files, compression))) == files


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_that_may_unpack_without_limit_is_refused(compression: int) -> None:
    with pytest.raises(ModelError, match=f"has 'labels.txt' packed with method {compression}"):
        opened(archive({"labels.txt": b"cat"}, compression))["labels.txt"]


def test_files_behind_a_model_are_found(write: Callable[..., Path]) -> None:
    model = read_model(write(tail=archive({"labels.txt": b"cat"})))
    assert dict(model.files) == {"labels.txt": b"cat"}


def test_files_appended_in_place_are_found(write: Callable[..., Path]) -> None:
    path = write()
    with zipfile.ZipFile(path, "a") as file:  # its offsets count from the start of the model
        file.writestr("labels.txt", b"cat")
    assert dict(read_model(path).files) == {"labels.txt": b"cat"}


def test_a_cut_within_the_archive_loses_the_files_and_nothing_else(write: Callable[..., Path]) -> None:
    path = write(tail=archive({"labels.txt": b"cat"}))
    whole, bare = path.read_bytes(), len(write().read_bytes())
    for cut in range(bare, len(whole)):
        path.write_bytes(whole[:cut])
        model = read_model(path)
        assert (dict(model.files), model.operators) == ({}, ("ADD",))


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"something else", b"PK\x05\x06" + bytes(18)])
def test_without_an_archive_there_are_no_files(content: bytes) -> None:
    assert dict(opened(content)) == {}


def test_a_file_with_a_wrong_checksum_is_refused() -> None:
    with pytest.raises(ModelError, match=r"model\.tflite is damaged: cannot read 'labels\.txt'"):
        opened(archive({"labels.txt": b"cat"}).replace(b"cat", b"bat"))["labels.txt"]


def test_every_flipped_byte_is_survived() -> None:
    whole = archive({"labels.txt": b"cat\ndog\n" * 4}, zipfile.ZIP_DEFLATED)
    for place in range(len(whole)):
        for value in (0, 0xFF, whole[place] ^ 1):
            with suppress(ModelError):
                dict(opened(whole[:place] + bytes([value]) + whole[place + 1 :]))


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        opened(archive({"labels.txt": b"cat"}))["other.txt"]


def test_too_many_files_are_refused() -> None:
    files = {f"{number}.txt": b"" for number in range(MAX_FILES)}
    assert len(opened(archive(files))) == MAX_FILES
    with pytest.raises(ModelError, match=f"more than {MAX_FILES} files"):
        opened(archive({**files, "one.txt": b""}))


def test_files_that_unpack_to_too_much_are_refused_unread() -> None:
    bomb = archive({name: bytes(MAX_BYTES // 2) for name in ("a", "b")} | {"c": b"1"}, zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelError, match=f"carries {MAX_BYTES + 1} bytes of files"):
        opened(bomb)


def test_a_file_that_lies_about_its_size_is_not_unpacked_further() -> None:
    bomb = bytearray(archive({"bomb": bytes(8 * 2**20)}, zipfile.ZIP_DEFLATED))
    entry = bomb.index(b"PK\x01\x02")
    struct.pack_into("<I", bomb, entry + 24, 10)  # the size in the directory
    with pytest.raises(ModelError, match="cannot read 'bomb'"):
        opened(bytes(bomb))["bomb"]


def test_a_tail_that_is_too_long_is_refused() -> None:
    with pytest.raises(ModelError, match=f"at most {MAX_BYTES} are read"):
        opened(bytes(MAX_BYTES + 1))
