"""What messages and comments call things: what was expected, what was found, and what must not be shown."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

import yaml
from msgspec import inspect as mi

_SECRET = re.compile(r"password|secret|token", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?<=://)([^/?#\s:@]*):[^/?#\s]*@")
OPEN = "..."  # the tag of a struct that stands for others, which come from elsewhere
_LONGEST = 60  # characters of a value in a message

_NAMES: dict[type[mi.Type], str] = {
    mi.NoneType: "nothing",
    mi.BoolType: "true or false",
    mi.IntType: "a whole number",
    mi.FloatType: "a number",
    mi.StrType: "text",
    mi.CustomType: "a path",
    mi.ListType: "a list",
    mi.VarTupleType: "a list",
    mi.DictType: "a mapping",
    mi.StructType: "a mapping",
}
_BOUNDS = {
    "gt": "> {}",
    "ge": ">= {}",
    "lt": "< {}",
    "le": "<= {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
    "pattern": "that matches {}",
}


def bare(type_: mi.Type) -> mi.Type:
    """The type without its description and examples."""
    while isinstance(type_, mi.Metadata):
        type_ = type_.type
    return type_


def noted(type_: mi.Type, name: str) -> Any:
    """What `msgspec.Meta(name=...)` says of a type or of an alternative of it; None if nothing."""
    if isinstance(type_, mi.Metadata):
        extra = type_.extra_json_schema or {}
        return extra[name] if name in extra else noted(type_.type, name)
    if isinstance(type_, mi.UnionType):
        return next((note for member in type_.types if (note := noted(member, name)) is not None), None)
    return None


def extension(type_: mi.Type) -> Any:
    """What `msgspec.Meta(extra={"more": ...})` says of a type; None if nothing."""
    if not isinstance(type_, mi.Metadata):
        return None
    return (type_.extra or {}).get("more") or extension(type_.type)


def bounds(type_: mi.Type) -> dict[str, Any]:
    """The limits of a type, named as `msgspec.Meta` names them."""
    return {name: limit for name in _BOUNDS if (limit := getattr(type_, name, None)) is not None}


def expected(type_: mi.Type) -> str:
    """As in "a whole number >= 1" and "one of auto, cpu"."""
    type_ = bare(type_)
    if isinstance(type_, mi.LiteralType):
        return one_of(type_.values)
    if isinstance(type_, mi.StructType) and type_.tag == OPEN:
        return f"the {type_.tag_field} of a plug-in"
    if isinstance(type_, mi.StructType) and type_.tag_field:
        return f"{type_.tag_field}: {type_.tag}"
    if isinstance(type_, mi.TupleType):
        return f"a list of {len(type_.item_types)}"
    if isinstance(type_, mi.UnionType):
        members = [bare(member) for member in type_.types]
        names = [expected(member) for member in members if not isinstance(member, mi.NoneType)]
        return " or ".join(dict.fromkeys(names))
    limits = " and ".join(_BOUNDS[name].format(_plain(limit)) for name, limit in bounds(type_).items())
    return f"{_NAMES[type(type_)]} {limits}".rstrip()


def _plain(limit: object) -> str:
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


def one_of(values: Iterable[object]) -> str:
    """As in "one of a, b"; one alone stands for itself."""
    names = [str(value) for value in values]
    return f"one of {', '.join(names)}" if len(names) > 1 else names[0]


def found(node: yaml.Node, key: str) -> str:
    """What stands in the file, without secrets."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return f"a list of {len(node.value)}"
    if kind(node) == "null":
        return "nothing"
    if is_secret(key):
        return "a value that is not shown here"
    text = mask_url(node.value)
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    return f"the text {text!r}" if kind(node) == "str" else text


def kind(node: yaml.Node) -> str:
    """How YAML 1.1 reads a node: "str", "int", "bool", "map", ...; "" for a tag of somebody's own."""
    prefix, _, name = node.tag.rpartition(":")
    return name if prefix == "tag:yaml.org,2002" else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known name that is nearest, as a question; empty if none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean '{near[0]}'?" if near else ""


def is_secret(key: str) -> bool:
    """True for `mqtt.password` and all below it."""
    return _SECRET.search(key) is not None


def mask_url(text: str) -> str:
    """`rtsp://me:secret@porch` -> `rtsp://me:***@porch`."""
    return _URL_PASSWORD.sub(r"\1:***@", text)
