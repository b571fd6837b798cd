"""What the first bytes of a picture's file tell: its format and its size, without decoding it."""

import struct

from edge_infer.types import Size

# Source: the specifications of the formats; those that some or all builds of OpenCV cannot decode have their name here.
UNDECODABLE = {
    b"GIF8": "GIF",
    b"II*\0\x10\0\0\0CR": "Canon raw",
    b"\0\0\1\0": "ICO",
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
    b"<svg": "SVG",
    b"<?xml": "SVG or XML",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
}
BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF", b"avif": "AVIF"}
FRAME_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # of JPEG. Source: ITU-T T.81, table B.1
STANDALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
TIFF_NUMBERS = {3: "H", 4: "I"}  # types of a value


def undecodable(content: bytes) -> str | None:
    """The name of the format, where it is one that OpenCV may not know; None for all others."""
    if content[4:8] == b"ftyp":
        return BRANDS.get(content[8:12])
    return next((name for start, name in UNDECODABLE.items() if content.startswith(start)), None)


def size_of(content: bytes) -> Size | None:
    """(width, height) as the file says; None where the format is not known here, or the file is cut off."""
    readers = {b"\xff\xd8": _jpeg, b"\x89PNG": _png, b"BM": _bmp, b"GIF8": _gif, b"RIFF": _webp, b"II*\0": _tiff}
    readers |= {b"MM\0*": _tiff, **{b"P%d" % number: _pnm for number in range(1, 7)}}
    for start, reader in readers.items():
        if content.startswith(start):
            try:
                return reader(content)
            except (struct.error, IndexError, ValueError):
                return None
    return None


def _jpeg(content: bytes) -> Size | None:
    place = 2
    while content[place] == 0xFF:
        marker = content[place + 1]
        if marker in FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", content, place + 5)
            return width, height
        if marker == 0xFF or marker in STANDALONE:
            place += 1 if marker == 0xFF else 2
        else:
            place += 2 + int(struct.unpack_from(">H", content, place + 2)[0])
    return None


def _png(content: bytes) -> Size:
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def _bmp(content: bytes) -> Size:
    width, height = struct.unpack_from("<ii", content, 18)
    return width, abs(height)


def _gif(content: bytes) -> Size:
    width, height = struct.unpack_from("<HH", content, 6)
    return width, height


def _webp(content: bytes) -> Size | None:
    kind = content[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", content, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _tiff(content: bytes) -> Size | None:
    order = "<" if content.startswith(b"II") else ">"
    directory = struct.unpack_from(f"{order}I", content, 4)[0]
    found = {}
    for entry in range(struct.unpack_from(f"{order}H", content, directory)[0]):
        place = directory + 2 + 12 * entry
        tag, kind = struct.unpack_from(f"{order}HH", content, place)
        if tag in (256, 257) and kind in TIFF_NUMBERS:  # ImageWidth, ImageLength
            found[tag] = struct.unpack_from(f"{order}{TIFF_NUMBERS[kind]}", content, place + 8)[0]
    return (found[256], found[257]) if len(found) == 2 else None


def _pnm(content: bytes) -> Size:
    words = b" ".join(line.split(b"#")[0] for line in content[:1000].split(b"\n")).split()
    return int(words[1]), int(words[2])
