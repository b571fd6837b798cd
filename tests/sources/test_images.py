import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from footage import grey_frame

from edge_infer.errors import InputError, UnavailableError
from edge_infer.sources.images import ImageSource, find_images, read_image
from edge_infer.types import Array


def levels(source: ImageSource) -> list[int]:
    return [int(frame.data[0, 0, 0]) for frame in source]


def test_a_folder_gives_its_pictures_in_natural_order(pictures: Path) -> None:
    with ImageSource(pictures) as source:
        frames = list(source)
    assert [Path(frame.path or "").name for frame in frames] == ["1.png", "2.png", "10.png"]
    assert [int(frame.data[0, 0, 0]) for frame in frames] == [1, 2, 10]
    assert [frame.number for frame in frames] == [0, 1, 2]
    assert not source.live


def test_folders_inside_are_read_only_if_asked_for(pictures: Path) -> None:
    inner = pictures / "3"
    inner.mkdir()
    cv2.imwrite(str(inner / "1.PNG"), grey_frame(31))
    assert levels(ImageSource(pictures)) == [1, 2, 10]
    assert levels(ImageSource(pictures, recursive=True)) == [1, 2, 31, 10]


def test_a_pattern_gives_what_it_matches(pictures: Path) -> None:
    assert levels(ImageSource(f"{pictures}/1*.png")) == [1, 10]
    assert levels(ImageSource(f"{pictures}/../**/2.png")) == [2]


def test_a_list_keeps_its_order(pictures: Path) -> None:
    assert levels(ImageSource([pictures / "10.png", f"{pictures}/[12].png", pictures])) == [10, 1, 2, 1, 2, 10]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(pictures: Path) -> None:
    (pictures / "2.png").rename(pictures / "a[1].png")
    assert levels(ImageSource(pictures / "a[1].png")) == [2]


def test_what_cannot_be_read_is_logged_counted_and_left_out(pictures: Path, caplog: pytest.LogCaptureFixture) -> None:
    (pictures / "2.png").write_bytes(b"no picture")
    with ImageSource(pictures) as source:
        assert [frame.number for frame in source] == [0, 2]
    assert source.skipped == {"corrupt": 1}
    assert len(caplog.records) == 1
    assert "2.png" in caplog.text


def test_a_picture_that_vanishes_is_left_out(pictures: Path) -> None:
    with ImageSource(pictures) as source:
        (pictures / "2.png").unlink()
        assert levels(source) == [1, 10]


def test_nothing_readable_at_all_is_a_bad_input(pictures: Path) -> None:
    for path in pictures.glob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"none of 3 pictures can be read; the last: .*10\.png is not a picture"):
        list(ImageSource(pictures))


def test_one_unreadable_picture_is_told_once(pictures: Path, caplog: pytest.LogCaptureFixture) -> None:
    (pictures / "2.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"^\S*2\.png is not a picture"):
        list(ImageSource(pictures / "2.png"))
    assert not caplog.records


@pytest.mark.parametrize("what", ["nothing.png", "nothing/", "*.gif", "empty", ["1.png", "nothing.png"], []])
def test_an_address_that_stands_for_nothing_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str | list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("1.png", grey_frame(1))
    Path("empty").mkdir()
    with pytest.raises(UnavailableError, match="there is no picture at"):
        ImageSource(what)


def test_find_images_gives_paths_without_opening_them(pictures: Path) -> None:
    (pictures / "2.png").write_bytes(b"no picture")
    assert [path.name for path in find_images(pictures)] == ["1.png", "2.png", "10.png"]


@pytest.mark.parametrize(
    "stored",
    [
        np.full((4, 6), 90, np.uint8),
        np.full((4, 6, 4), 90, np.uint8),
        np.full((4, 6, 3), 90, np.uint8),
        np.full((4, 6, 3), 90 * 257, np.uint16),
    ],
    ids=["grey", "alpha", "colour", "16 bits"],
)
def test_any_picture_becomes_bgr_bytes(tmp_path: Path, stored: Array) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), stored)
    data = read_image(tmp_path / "a.png")
    assert data.shape == (4, 6, 3)
    assert data.dtype == np.uint8
    assert np.all(data == 90)


def test_a_picture_is_turned_as_its_exif_data_says(tmp_path: Path) -> None:
    jpeg = cv2.imencode(".jpg", np.zeros((20, 40, 3), np.uint8))[1].tobytes()
    orientation = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)  # turn by 90 degrees clockwise
    tiff = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + orientation + struct.pack("<I", 0)
    segment = b"Exif\0\0" + tiff
    marker = b"\xff\xe1" + struct.pack(">H", len(segment) + 2)
    path = tmp_path / "turned.jpg"
    path.write_bytes(jpeg[:2] + marker + segment + jpeg[2:])
    assert read_image(path).shape == (40, 20, 3)


def test_a_name_outside_ascii_can_be_read(pictures: Path) -> None:
    path = (pictures / "1.png").rename(pictures / "Übersicht 写真.png")
    assert read_image(path).shape == (240, 320, 3)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_what_is_no_picture_is_a_bad_input(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png is not a picture that can be decoded"):
        read_image(path)


def test_a_picture_too_large_to_decode_is_a_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "huge.pgm"
    path.write_bytes(b"P5 100000 100000 255\n")
    with pytest.raises(InputError, match=r"huge\.pgm"):
        read_image(path)


def test_a_missing_picture_is_unavailable_and_a_folder_is_a_bad_input(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"cannot read .*a\.png \(No such file or directory\)"):
        read_image(tmp_path / "a.png")
    with pytest.raises(InputError, match="is a folder"):
        read_image(tmp_path)


def test_a_picture_that_the_system_refuses_to_open_is_unavailable(tmp_path: Path) -> None:
    circle = tmp_path / "a.png"
    circle.symlink_to(circle)
    with pytest.raises(UnavailableError, match="Too many levels of symbolic links"):
        read_image(circle)
