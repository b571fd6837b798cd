"""What a file is that is not a TFLite model, and what to do about it."""

_SIGNATURES = {  # Source: the signatures that the formats' own documents give
    b"version https://git-lfs": ("a Git LFS pointer", "fetch the model with 'git lfs pull'"),
    b"PK\x03\x04": ("a zip archive", "unpack the .tflite file from it"),
    b"\x1f\x8b": ("a gzip archive", "unpack the .tflite file from it"),
    b"BZh": ("a bzip2 archive", "unpack the .tflite file from it"),
    b"\xfd7zXZ\x00": ("an xz archive", "unpack the .tflite file from it"),
    b"\x89HDF\r\n\x1a\n": ("a Keras model (HDF5)", "convert it to TFLite"),
    b"\x7fELF": ("a program or library", "give the .tflite file"),
    b"\x89PNG": ("a picture", "give the .tflite file"),
    b"\xff\xd8\xff": ("a picture", "give the .tflite file"),
    b"GGUF": ("a GGUF model", "give a .tflite file"),
}
_HTML = (b"<!doctype html", b"<html")
_ONNX_PRODUCER = b"\x12"  # field 2 of ModelProto, behind field 1, ir_version. Source: onnx.proto


def describe_foreign(head: bytes) -> tuple[str, str]:
    """What a file looks like by its first bytes, and the next step."""
    if not head:
        return "empty", "copy it again"
    for start, description in _SIGNATURES.items():
        if head.startswith(start):
            return description
    if head.lstrip().lower().startswith(_HTML):
        return "an HTML page", "download the file itself, not the page about it"
    if head[0] == 0x08 and head[2:3] == _ONNX_PRODUCER:
        return "an ONNX model", "convert it to TFLite"
    if _is_text(head):
        return "text", "give the .tflite file"
    if not any(head):
        return "zeros only", "copy it again"
    return "something else", "give the .tflite file, or copy it again"


def _is_text(head: bytes) -> bool:
    text = head.decode("utf-8", "ignore")  # the last character may be cut
    return len(text.encode()) >= len(head) - 3 and all(letter.isprintable() or letter.isspace() for letter in text)
