from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.errors import InputError
from edge_infer.sources.address import kind_of, mask


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        (0, "camera"),
        ("0", "camera"),
        ("/dev/video0", "camera"),
        ("/dev/v4l/by-id/usb-046d_HD_Webcam-video-index0", "camera"),
        ("/dev/v4l/by-path/platform-xhci-usb-0:1:1.0-video-index0", "camera"),
        ("picamera", "picamera"),
        ("rtsp://porch/stream", "stream"),
        ("RTSP://porch/stream", "stream"),
        ("http://porch/video.mjpg", "stream"),
        ("https://porch/snapshot.jpg", "stream"),
        ("udp://@:5000", "stream"),
        ("clip.mp4", "video"),
        ("CLIP.MOV", "video"),
        ("clip[1].mp4", "video"),
        ("photo.jpg", "images"),
        ("photos/", "images"),
        ("photos/*.jpg", "images"),
        ("photos/*", "images"),
    ],
)
def test_an_address_tells_its_kind(address: str | int, kind: str) -> None:
    assert kind_of(address) == kind


def test_an_existing_folder_is_a_source_of_images_whatever_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "night.mp4"
    folder.mkdir()
    assert kind_of(str(folder)) == "images"


@pytest.mark.parametrize("address", ["", "-1", "porch", "ftp://porch/clip", "notes.txt", "/dev/video", "/dev/tty"])
def test_an_unknown_address_is_refused_with_what_is_understood(address: str) -> None:
    with pytest.raises(InputError, match=r"/dev/video0.*rtsp://.*clip\.mp4"):
        kind_of(address)


def test_a_refused_address_does_not_show_its_password() -> None:
    with pytest.raises(InputError) as refused:
        kind_of("ftp://user:hunter2@porch/clip")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("rtsp://porch/stream", "rtsp://porch/stream"),
        ("rtsp://porch:554/stream@2", "rtsp://porch:554/stream@2"),
        ("rtsp://user@porch/stream", "rtsp://user@porch/stream"),
        ("rtsp://user:hunter2@porch:554/stream", "rtsp://user:***@porch:554/stream"),
        ("rtsp://user:12345@porch/stream", "rtsp://user:***@porch/stream"),
        ("rtsp://user:hun@ter2@porch/stream", "rtsp://user:***@porch/stream"),
        ("rtsp://user:hun/ter2@porch/stream", "rtsp://user:***@porch/stream"),
        ("rtsp://user:hunter2@porch/a@b", "rtsp://user:***@porch/a@b"),
        ("http://porch/video?user=me&pwd=hunter2&size=1", "http://porch/video?user=me&pwd=***&size=1"),
        ("http://porch/video?access_token=hunter2", "http://porch/video?access_token=***"),
        ("udp://@:5000", "udp://@:5000"),
        ("clip.mp4", "clip.mp4"),
    ],
)
def test_passwords_in_urls_are_masked(url: str, masked: str) -> None:
    assert mask(url) == masked


WORD = st.text("abcxyz0123456789.:@!$-", min_size=1)


@given(user=st.text("abc019", max_size=5), password=WORD, host=st.sampled_from(["porch", "10.0.0.7:554", "[::1]:554"]))
def test_no_password_without_a_slash_survives_masking(user: str, password: str, host: str) -> None:
    assert mask(f"rtsp://{user}:{password}@{host}/stream") == f"rtsp://{user}:***@{host}/stream"
