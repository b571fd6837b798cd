"""What is in files that people call pictures: each becomes what every viewer shows, or an error that says why not."""

import base64
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_infer.errors import InputError, UnavailableError, UsageError
from edge_infer.pictures import MAX_PIXELS_VARIABLE
from edge_infer.sources.images import find_images, read_image
from edge_infer.sources.picture_header import size_of
from edge_infer.types import Array

# Red above, blue below, 8x8: as another program has written it.
CMYK_JPEG = (
    "|JeWT01iQ9Z(?NtWB>pF0095n07C!+0s;d90s{jB0|WyD1O*5M1q1{I3I_)U2n-4g3=0Yi3k?nu5Dg9y4hstq77!5=6crT}3=bC=78Do~6crTz"
    "zyK5o00;mG1Va%3O%VWD5dcdO0RO}Q9{>OW1pxs80RaI300000000010s{mE1_uZU3Jd?l0JRVR0s#X90t5pE1q1{D00Dgg0s{a95d{(<F+m0s"
    "QDFxnaTGFvk)a49Lb1UWQqk}vGh%Xr2?`b$7#SKRCMPH<Dl|1VH#j*uLqtVJM@UIZQ&d$}S6EqEV`OD!XJ~0^b98lfcX)YvgM@{Khlq)al9QB`"
    "mY0~BnxdnmrKYE-sj9NGw6(UkxVgH*!^FkL$H>Xb($mz{*4NnC+Tr5k<mKk)=;`Y5^7Hid_V@Vt`v2Mh4g^C0O#oQ{O8@{r0Ovp9=AZRV{{Zs4"
    "{{Y<8`So1q{5voHsz?4%zx$@YRO|oQ"
)
ANIMATED_WEBP = (
    "Qb|TekN^MxS4BclR!}%t3IG5A0ssI22LJ#E002QwNlgX-0000000000K~7CZE&u=k00000000L700#g700002R!}%h761SMF9*N@01q%8_fWkR"
    "^87~&=0BqU@c=<iO-3#N00000000002LJ#E000000034{I7}7*001uszySacFdp|%y%qBOM+@dZqW=L8"
)
ANIMATED_GIF = (
    "M@dFFIbjF@2mpZq0LUI59v;X50000003rViPDNBxLqSkQGA=L!0RR91A^8LV3IG5AEC2ui00;mG000OT009UbNU)&6g9HO8T*$DY!-ot50stZT"
    "1OW;F0st%k0000800;nq$Q~XZ9>@Ry000002o(SW2pmYTpuvL#0VrI^u%W|;3<ClHI{"
)
RED_ABOVE_BLUE = np.array([[30, 30, 200], [200, 30, 30]])
QUADRANTS = ((30, 30, 200), (30, 200, 30), (200, 30, 30), (220, 220, 220))  # BGR: upper left, upper right, lower


def quadrants() -> Array:
    image = np.zeros((40, 60, 3), np.uint8)
    for place, color in enumerate(QUADRANTS):
        image[20 * (place // 2) : 20 * (place // 2) + 20, 30 * (place % 2) : 30 * (place % 2) + 30] = color
    return image


# How a picture is stored that is to be turned so. Source: Exif 2.32, Orientation
STORED = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: image.transpose(1, 0, 2)[::-1],
    7: lambda image: image.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda image: image.transpose(1, 0, 2)[:, ::-1],
}


def png(width: int, height: int, kind: int, bits: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Source: the PNG specification."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize("orientation", STORED)
def test_a_jpeg_stands_upright_however_it_was_held(tmp_path: Path, orientation: int) -> None:
    stored = np.ascontiguousarray(STORED[orientation](quadrants()))
    jpeg = cv2.imencode(".jpg", stored, (cv2.IMWRITE_JPEG_QUALITY, 100))[1].tobytes()
    tiff = b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0) + b"\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    path = tmp_path / "held.jpg"
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:])
    data = read_image(path)
    assert data.shape == (40, 60, 3)
    corners = data[[8, 8, 32, 32], [10, 50, 10, 50]].astype(int)
    assert np.abs(corners - QUADRANTS).max() < 12


def test_sixteen_bits_become_their_upper_eight(tmp_path: Path) -> None:
    values = (np.arange(24).reshape(4, 6) * 2700).astype(np.uint16)
    for name in ("a.png", "a.tiff"):
        cv2.imwrite(str(tmp_path / name), values)
        data = read_image(tmp_path / name)
        assert data.dtype == np.uint8
        assert np.abs(data[:, :, 0].astype(int) - (values >> 8)).max() <= 1


def test_a_transparent_picture_shows_the_colours_under_its_transparency(tmp_path: Path) -> None:
    image = np.full((4, 6, 4), (10, 20, 30, 0), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    assert (read_image(tmp_path / "a.png") == (10, 20, 30)).all()


def test_a_palette_and_a_single_bit_become_colours(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 1, 3, 8, b"\0\x01\0", (b"PLTE", bytes((1, 2, 3, 200, 100, 50)))))
    assert read_image(path).tolist() == [[[50, 100, 200], [3, 2, 1]]]
    path.write_bytes(png(8, 1, 0, 1, b"\0\xaa"))
    assert read_image(path)[0, :, 0].tolist() == [255, 0] * 4
    (tmp_path / "a.pbm").write_bytes(b"P4 8 1\n\xaa")
    assert read_image(tmp_path / "a.pbm")[0, :, 0].tolist() == [0, 255] * 4


@pytest.mark.parametrize(("name", "text"), [("a.jpg", CMYK_JPEG), ("a.webp", ANIMATED_WEBP)], ids=["CMYK", "animated"])
def test_print_colours_and_the_first_frame_of_an_animation(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(base64.b85decode(text))
    data = read_image(tmp_path / name)
    assert data.shape == (8, 8, 3)
    assert np.abs(data[[1, 6], 4].astype(int) - RED_ABOVE_BLUE).max() < 12


def test_a_gif_gives_its_first_frame_or_says_that_it_cannot(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(base64.b85decode(ANIMATED_GIF))
    if cv2.__version__.startswith("4.11"):
        with pytest.raises(InputError, match=r"a\.gif is a GIF file, which this OpenCV cannot decode: convert it"):
            read_image(path)
    else:
        assert np.abs(read_image(path)[[1, 6], 4].astype(int) - RED_ABOVE_BLUE).max() < 12


@pytest.mark.parametrize(
    ("content", "kind"), [(b"\0\0\0\x18ftypheic\0\0\0\0mif1", "HEIC"), (b"%PDF-1.7", "PDF"), (b"<svg/>", "SVG")]
)
def test_a_format_that_cannot_be_decoded_is_named(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "IMG.HEIC").write_bytes(content)
    with pytest.raises(
        InputError, match=f"is a {kind} file, which this OpenCV cannot decode: convert it to JPEG or PNG"
    ):
        read_image(tmp_path / "IMG.HEIC")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tiff", ".ppm"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_picture_that_was_cut_off_is_an_error_and_never_half_grey(tmp_path: Path, suffix: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    content = cv2.imencode(suffix, noise)[1].tobytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match="it is damaged, cut off, or of another kind"):
        read_image(path)


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"a\.jpg is not a picture that can be decoded: it is empty"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused_at_once(device: str) -> None:
    with pytest.raises(InputError, match="is no file but a pipe or a device"):
        read_image(device)
    with pytest.raises(UnavailableError, match="that is a pipe or a device, give a file"):
        find_images(device)


def test_a_pipe_that_nobody_writes_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(InputError, match="is no file but a pipe or a device"):
        read_image(tmp_path / "pipe.jpg")


def test_a_picture_of_one_pixel_is_one(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((1, 1, 3), (3, 2, 1), np.uint8))
    assert read_image(tmp_path / "a.png").tolist() == [[[3, 2, 1]]]


def test_a_file_too_large_for_any_picture_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError, match=r"a\.bmp is no picture: it has 1099512 MB"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tiff", ".ppm", ".pgm"])
@pytest.mark.parametrize("size", [(7, 5), (300, 299), (1, 1)])
def test_the_size_is_known_before_decoding(suffix: str, size: tuple[int, int]) -> None:
    image = np.zeros((size[1], size[0]) if suffix == ".pgm" else (size[1], size[0], 3), np.uint8)
    content = cv2.imencode(suffix, image)[1].tobytes()
    assert size_of(content) == size
    if suffix not in (".ppm", ".pgm"):  # where a number that is cut off is another number
        assert {size_of(content[:end]) for end in range(min(len(content), 200))} <= {None, size}


def test_the_size_of_animations_and_lossless_webp_is_known() -> None:
    assert size_of(base64.b85decode(ANIMATED_GIF)) == (8, 8)
    assert size_of(base64.b85decode(ANIMATED_WEBP)) == (8, 8)
    lossless = cv2.imencode(".webp", np.zeros((5, 7, 3), np.uint8), (cv2.IMWRITE_WEBP_QUALITY, 101))[1].tobytes()
    assert size_of(lossless) == (7, 5)


def test_a_small_file_with_a_huge_picture_in_it_takes_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured: 20,000 x 20,000 pixels would take 2.3 GB."""
    path = tmp_path / "bomb.png"
    path.write_bytes(png(20_000, 20_000, 2, 8, b"\0" * 1000))
    script = (
        "import resource, sys; from edge_infer.sources.images import read_image\n"
        "from edge_infer.errors import InputError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_image(sys.argv[1])\n"
        "except InputError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    said = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True).stdout
    sentence, grown = said.splitlines()
    assert "20000x20000 pixels, which take 1200 MB; the limit is 100 million pixels" in sentence
    assert int(grown) < 50_000  # kB
    monkeypatch.setenv(MAX_PIXELS_VARIABLE, "10")
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match=f"set the environment variable {MAX_PIXELS_VARIABLE}"):
        read_image(tmp_path / "a.png")
    monkeypatch.setenv(MAX_PIXELS_VARIABLE, "many")
    with pytest.raises(UsageError, match=f"{MAX_PIXELS_VARIABLE} is 'many', which is no number of pixels"):
        read_image(tmp_path / "a.png")
