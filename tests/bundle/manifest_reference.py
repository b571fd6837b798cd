"""The reference in docs/bundle.md, made from the types: run this file to write it there anew."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect as mi

from edge_infer.bundle.manifest import Decode, Golden, Manifest, ModelFiles, ModelPart, Origin, Prepare
from edge_infer.config.words import bare, expected, noted
from edge_infer.features import Bands, LogMel, Micro

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/bundle.md"
BEGIN, END = "<!-- reference -->\n", "<!-- end of the reference -->\n"
SECTIONS = {
    "manifest.yaml": Manifest,
    "source": Origin,
    "model": ModelFiles,
    "model.edgetpu": ModelPart,
    "preprocess": Prepare,
    "features log-mel": LogMel,
    "features micro": Micro,
    "features bands": Bands,
    "decode": Decode,
    "golden": Golden,
}


def reference() -> str:
    """All keys, a table for each section."""
    return "\n".join(line for name, struct in SECTIONS.items() for line in _section(name, struct)) + "\n"


def _section(name: str, struct: type[msgspec.Struct]) -> Iterator[str]:
    info = mi.type_info(struct)
    assert isinstance(info, mi.StructType)
    yield from ("", f"### `{name}`", "", "| key | type | default | meaning |", "| --- | --- | --- | --- |")
    if info.tag_field:
        yield f"| `{info.tag_field}` | {info.tag} | required | which features these are |"
    for field in info.fields:
        meaning = noted(field.type, "description") or ""
        yield f"| `{field.encode_name}` | {_type(field.type)} | {_default(field)} | {_cell(meaning)} |"


def _type(type_: mi.Type) -> str:
    members = [bare(member) for member in getattr(bare(type_), "types", (type_,))]
    sections = [name for m in members for name, s in SECTIONS.items() if getattr(m, "cls", None) is s]
    links = (f"[{name}](#{name.replace('.', '').replace(' ', '-')})" for name in sections)
    return " or ".join(links) or _cell(expected(type_))


def _default(field: mi.Field) -> str:
    if field.required:
        return "required"
    value: Any = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return "-" if value is None or isinstance(value, msgspec.Struct) else f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def write() -> None:
    """Replace the reference in the document."""
    text = DOCUMENT.read_text()
    block = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    DOCUMENT.write_text(block.sub(lambda _: BEGIN + reference() + END, text))


if __name__ == "__main__":
    write()
