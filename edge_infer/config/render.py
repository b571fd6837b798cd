"""Structs -> YAML that explains itself: each key under its description, as the struct declares it."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml
from msgspec import inspect as mi

from edge_infer.config.decode import parse
from edge_infer.config.words import bare, bounds, expected, is_secret, mask_url, noted

T = TypeVar("T", bound=msgspec.Struct)

_MASK = "********"
_COMMENT_WIDTH = 100
_EMPTY = "{}"
_ENDLESS = 1 << 30  # one line, however long


def render(value: msgspec.Struct, *, mask: bool = False) -> str:
    """YAML that parses to `value` again; an option that is not set stands there as a comment.

    Args:
        value: of any struct class
        mask: hide passwords, secrets and tokens; for people and logs, it does not parse back
    """
    return "\n".join(_struct(value, mask)) + "\n"


def sample(type_: type[T]) -> str:
    """A file to start from: the first example of what is required, defaults for the rest.

    Raises:
        ConfigError: a required field lacks `Meta(examples=[...])`, so that the sample would not load.
    """
    text = _flow(_example(mi.type_info(type_)))
    return render(parse(text, type_, f"<sample of {type_.__name__}>"))


def schema(type_: type[Any]) -> dict[str, Any]:
    """The JSON Schema of a struct, for editors.

    A default that is a Path has to be declared as `field(default_factory=...)`: msgspec cannot write it otherwise.
    """
    return msgspec.json.schema(type_, schema_hook=lambda custom: {"type": "string"} if custom is Path else {})


def _struct(value: msgspec.Struct, mask: bool) -> list[str]:
    info = mi.type_info(type(value))
    assert isinstance(info, mi.StructType)  # noqa: S101 - a Struct's type is one
    lines = [f"{info.tag_field}: {_flow(info.tag)}"] if info.tag_field else []
    live = bool(lines)
    for field in info.fields:
        item = getattr(value, field.name)
        unset = _unset(field, item, mask)
        live = live or not unset
        lines += [*_comment(field), *(unset or _entry(field.encode_name, item, mask))]
    return lines if live else [*lines, _EMPTY]


def _unset(field: mi.Field, item: Any, mask: bool) -> list[str]:
    """The lines of an option that is not set, or of a section in which nothing is, all comments; else nothing."""
    if item is None and field.default is None:
        example = _example(field.type)
        text = "" if example in (None, [], {}) else _flow(example)
        return [f"# {field.encode_name}: {text}".rstrip()]
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if isinstance(item, msgspec.Struct) and item == default:
        *lines, last = _struct(item, mask)
        if last == _EMPTY:
            return [f"# {line}" for line in [f"{field.encode_name}:", *_indented(lines)]]
    return []


def _entry(name: object, item: Any, mask: bool) -> list[str]:
    key, item = f"{_flow(name)}:", _masked(str(name), item) if mask else item
    if isinstance(item, msgspec.Struct):
        return [key, *_indented(_struct(item, mask))]
    if isinstance(item, Mapping) and item:
        return [key, *_indented([line for entry in item.items() for line in _entry(*entry, mask)])]
    if isinstance(item, list | tuple) and any(isinstance(part, msgspec.Struct) for part in item):
        return [key, *(line for part in item for line in _listed(_struct(part, mask)))]
    return [f"{key} {_flow(item)}"]


def _masked(name: str, item: Any) -> Any:
    """Texts without secrets, however deep; a Path is the place of a secret, not one itself."""
    if isinstance(item, str):
        return _MASK if is_secret(name) else mask_url(item)
    if isinstance(item, list | tuple):
        return [_masked(name, part) for part in item]
    if isinstance(item, Mapping):
        return {key: _masked(f"{name}.{key}", part) for key, part in item.items()}
    return item


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _listed(lines: list[str]) -> list[str]:
    first, *rest = _indented(lines)
    return [f"- {first.lstrip()}", *rest]


def _comment(field: mi.Field) -> list[str]:
    words = [noted(field.type, "description"), f"({expected(field.type)})" if _is_limited(field.type) else None]
    return [f"# {line}" for line in textwrap.wrap(" ".join(filter(None, words)), _COMMENT_WIDTH)]


def _is_limited(type_: mi.Type) -> bool:
    """True if the value alone does not show what else may stand there."""
    type_ = bare(type_)
    if isinstance(type_, mi.UnionType):
        return any(_is_limited(member) for member in type_.types)
    if isinstance(type_, mi.StructType):
        return type_.tag_field is not None
    return bool(bounds(type_)) or (isinstance(type_, mi.LiteralType) and len(type_.values) > 1)


def _example(type_: mi.Type) -> Any:
    """Plain values that a type takes, as its author gave them; None where there are none."""
    if examples := noted(type_, "examples"):
        return examples[0]
    match bare(type_):
        case mi.StructType() as struct:
            tag = {struct.tag_field: struct.tag} if struct.tag_field else {}
            shown = {f.encode_name: _example(f.type) for f in struct.fields if f.required or _is_section(f.type)}
            return tag | {name: example for name, example in shown.items() if example is not None}
        case mi.UnionType() as union:
            return next((example for member in union.types if (example := _example(member)) is not None), None)
        case mi.DictType() as mapping:
            key = _example(mapping.key_type)
            return {key: _example(mapping.value_type)} if key is not None else None
        case mi.ListType() | mi.VarTupleType() as items:
            return [example] if (example := _example(items.item_type)) is not None else None
        case mi.LiteralType() as literal:
            return literal.values[0]
    return None


def _is_section(type_: mi.Type) -> bool:
    """True for a struct, or for a map of structs: what a sample shows although it may be left out."""
    type_ = bare(type_)
    return isinstance(type_, mi.StructType) or (isinstance(type_, mi.DictType) and _is_section(type_.value_type))


class _Dumper(yaml.SafeDumper):
    """Writes a text on one line, whatever is in it."""


def _one_line(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _one_line)


def _flow(value: Any) -> str:
    plain = msgspec.to_builtins(value, enc_hook=str)
    text = yaml.dump(
        [plain], Dumper=_Dumper, default_flow_style=True, width=_ENDLESS, allow_unicode=True, sort_keys=False
    )
    return text.strip()[1:-1]
