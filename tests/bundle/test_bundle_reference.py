"""docs/bundle.md lists every key of a manifest as it is, and no other."""

import msgspec
from manifest_reference import BEGIN, DOCUMENT, END, SECTIONS, reference

from edge_infer.bundle.manifest import Manifest


def test_the_reference_is_that_of_the_types() -> None:
    block = DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]
    assert block == reference(), "run tests/bundle/manifest_reference.py"


def test_the_reference_has_a_section_for_each_struct() -> None:
    found, waiting = set(), [Manifest]
    while waiting:
        struct = waiting.pop()
        found.add(struct)
        fields = msgspec.inspect.type_info(struct).fields  # type: ignore[attr-defined]
        inner = [part for field in fields for part in getattr(_bare(field.type), "types", (_bare(field.type),))]
        waiting += [
            cls for part in inner if (cls := getattr(_bare(part), "cls", None)) and hasattr(cls, "__struct_fields__")
        ]
    assert found == set(SECTIONS.values())


def test_each_key_has_a_meaning() -> None:
    for line in reference().splitlines():
        assert not line.endswith("|  |"), line


def _bare(type_: msgspec.inspect.Type) -> msgspec.inspect.Type:
    return type_.type if isinstance(type_, msgspec.inspect.Metadata) else type_
