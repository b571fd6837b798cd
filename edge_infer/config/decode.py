"""A tree of YAML nodes + a struct class -> an instance of it, or all problems at once."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import msgspec
import yaml
from msgspec import inspect as mi

from edge_infer.config.scalar import Mismatch, scalar, within
from edge_infer.config.tree import Unreadable, compose
from edge_infer.config.words import OPEN, bare, did_you_mean, expected, extension, found, kind, one_of
from edge_infer.errors import ConfigError, EdgeInferError, Problem, UnavailableError

T = TypeVar("T", bound=msgspec.Struct)

_TAGS = {"map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value"}
_PLAIN_KEY = re.compile(r"[^.\[\]\s]+")


def load(path: Path, type_: type[T]) -> T:
    """The struct that a file describes; relative paths in it count from the file's folder.

    Raises:
        UnavailableError: the file is not there or cannot be read.
        ConfigError: the file is wrong; every problem with its place.
    """
    try:
        text = path.read_bytes().decode("utf-8", errors="surrogateescape")
    except FileNotFoundError as error:
        raise UnavailableError(f"there is no file {path}: create it, or name another one") from error
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be read ({error.strerror}): check what it is and who may read it"
        ) from error
    return _decode(text, type_, str(path), path.parent)


def parse(text: str, type_: type[T], name: str = "<text>") -> T:
    """The struct that a text describes; paths stay as they are written.

    Raises:
        ConfigError: the text is wrong; every problem with its place.
    """
    return _decode(text, type_, name, None)


def _decode(text: str, type_: type[T], name: str, folder: Path | None) -> T:
    try:
        root = compose(text)
    except Unreadable as error:
        raise ConfigError(name, [error.problem]) from error
    struct = mi.type_info(type_)
    decoder = _Decoder(folder)
    if root is None or kind(root) == "null":
        names = [field.encode_name for field in cast(mi.StructType, struct).fields]
        raise ConfigError(name, [Problem(1, 1, "", f"nothing is set here: expected a mapping with {one_of(names)}")])
    value = decoder.decode(struct, root, "")
    if decoder.problems:
        raise ConfigError(name, sorted(decoder.problems, key=lambda problem: (problem.line, problem.column)))
    return cast(T, value)


class More(Protocol):
    """Structs that are found only when a file names them: `Meta(extra={"more": ...})` of a tagged struct or union."""

    def names(self) -> list[str]:
        """Their tags."""

    def struct(self, name: str) -> type[msgspec.Struct]:
        """One of them; raises EdgeInferError if it cannot be used."""


class _Decoder:
    """Walks types and nodes together; what it returns is of use only while `problems` is empty."""

    def __init__(self, folder: Path | None) -> None:
        self.problems: list[Problem] = []
        self._folder = folder

    def decode(self, type_: mi.Type, node: yaml.Node, key: str) -> Any:
        more, type_ = extension(type_), bare(type_)
        if kind(node) not in _TAGS:
            return self._fail(node, key, "tags (!name) are not supported: remove it")
        match type_, node:
            case mi.UnionType(), _:
                return self._union(type_, node, key, more)
            case mi.StructType(), yaml.MappingNode():
                return self._tagged([type_], node, key, more)
            case mi.DictType(), yaml.MappingNode():
                return self._dict(type_, node, key)
            case ((mi.ListType() | mi.VarTupleType() | mi.TupleType()), yaml.SequenceNode()):
                return self._list(type_, node, key)
            case _, yaml.ScalarNode() if _node_class(type_) is yaml.ScalarNode:
                return self._scalar([type_], type_, node, key)
        return self._mismatch(type_, node, key)

    def _union(self, union: mi.UnionType, node: yaml.Node, key: str, more: More | None) -> Any:
        members = [bare(member) for member in union.types]
        if kind(node) == "null" and any(isinstance(member, mi.NoneType) for member in members):
            return None
        members = [m for m in members if _node_class(m) is type(node) and not isinstance(m, mi.NoneType)]
        if not members:
            return self._mismatch(union, node, key)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(members, union, node, key)
        structs = [member for member in members if isinstance(member, mi.StructType)]
        if isinstance(node, yaml.MappingNode) and structs:
            return self._tagged(structs, node, key, more)
        return self.decode(members[0], node, key)

    def _scalar(self, members: list[mi.Type], type_: mi.Type, node: yaml.ScalarNode, key: str) -> Any:
        """The value by the first of `members` that takes it; they are the alternatives of `type_`."""
        hints = []
        for member in members:
            try:
                value = scalar(member, node)
            except Mismatch as mismatch:
                hints.append(str(mismatch))
            else:
                return self._folder / value if isinstance(value, Path) and self._folder else value
        return self._mismatch(members[0] if len(members) == 1 else type_, node, key, next(filter(None, hints), ""))

    def _list(self, type_: mi.ListType | mi.VarTupleType | mi.TupleType, node: yaml.SequenceNode, key: str) -> Any:
        fixed = isinstance(type_, mi.TupleType)
        types = type_.item_types if isinstance(type_, mi.TupleType) else (type_.item_type,) * len(node.value)
        if len(types) != len(node.value) or not within(type_, node.value):
            return self._mismatch(type_, node, key)
        items = zip(types, node.value, strict=True)
        values = [self.decode(item, child, f"{key}[{i}]") for i, (item, child) in enumerate(items)]
        return tuple(values) if fixed or isinstance(type_, mi.VarTupleType) else values

    def _dict(self, type_: mi.DictType, node: yaml.MappingNode, key: str) -> Any:
        if not within(type_, dict.fromkeys(range(len(node.value)))):
            return self._mismatch(type_, node, key)
        return {
            self.decode(type_.key_type, name, key): self.decode(type_.value_type, value, _join(key, name.value))
            for name, value in self._pairs(node, key)
        }

    def _tagged(self, structs: list[mi.StructType], node: yaml.MappingNode, key: str, more: More | None = None) -> Any:
        """The struct whose tag the mapping carries; without tags there is only one."""
        tag_field, tags = structs[0].tag_field, {str(struct.tag): struct for struct in structs if struct.tag != OPEN}
        pairs = list(self._pairs(node, key))
        if tag_field is None:
            return self._struct(structs[0], node, pairs, key)
        tag = next((value for name, value in pairs if name.value == tag_field), None)
        others = [(name, value) for name, value in pairs if name.value != tag_field]
        if isinstance(tag, yaml.ScalarNode) and tag.value in tags:
            return self._struct(tags[tag.value], node, others, key)
        names = [*tags, *(more.names() if more else ())] or ["the name of an installed plug-in (there is none)"]
        if tag is None:
            return self._fail(node, key, f"{tag_field} is missing: {one_of(names)}")
        if more is None or not isinstance(tag, yaml.ScalarNode) or tag.value not in names:
            hint = did_you_mean(str(tag.value), names)
            return self._fail(tag, _join(key, tag_field), f"expected {one_of(names)}, found {found(tag, key)}", hint)
        try:
            plugged = mi.type_info(more.struct(tag.value))
        except EdgeInferError as error:
            return self._fail(tag, _join(key, tag_field), str(error))
        return self._struct(cast(mi.StructType, plugged), node, others, key)

    def _struct(
        self, struct: mi.StructType, node: yaml.Node, pairs: list[tuple[yaml.ScalarNode, yaml.Node]], key: str
    ) -> Any:
        fields = {field.encode_name: field for field in struct.fields}
        problems_before = len(self.problems)
        values = {}
        for name, value in pairs:
            if field := fields.get(name.value):
                values[field.name] = self.decode(field.type, value, _join(key, name.value))
            else:
                hint = did_you_mean(name.value, fields) or f"known here: {', '.join(fields)}"
                self._fail(name, key, f"unknown key '{name.value}'", hint)
        for field in struct.fields:
            if field.required and field.name not in values:
                self._fail(node, key, f"{field.encode_name} is missing: expected {expected(field.type)}")
        if len(self.problems) > problems_before:
            return None
        try:
            return struct.cls(**values)
        except (TypeError, ValueError) as error:  # the struct's own __post_init__
            return self._fail(node, key, str(error))

    def _pairs(self, node: yaml.MappingNode, key: str) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        """Keys and values; a key that is no text or is there twice is a problem."""
        lines: dict[str, int] = {}
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                self._fail(name, key, f"expected a key, found {found(name, key)}")
            elif kind(name) == "merge":
                self._fail(name, key, "merge keys (<<) are not supported: write the keys out")
            elif name.value in lines:
                self._fail(name, key, f"the key '{name.value}' is here twice (first in line {lines[name.value]})")
            else:
                lines[name.value] = name.start_mark.line + 1
                yield name, value

    def _mismatch(self, type_: mi.Type, node: yaml.Node, key: str, hint: str = "") -> None:
        if kind(node) == "null" and not hint:
            hint = "write a value or remove the key"
        self._fail(node, key, f"expected {expected(type_)}, found {found(node, key)}", hint)

    def _fail(self, node: yaml.Node, key: str, text: str, hint: str = "") -> None:
        where, what = f"{key}: " if key else "", f", {hint}" if hint else ""
        place = node.start_mark.line + 1, node.start_mark.column + 1
        self.problems.append(Problem(*place, key, f"{where}{text}{what}"))


def _node_class(type_: mi.Type) -> type[yaml.Node]:
    """The shape of node that a type is written as."""
    if isinstance(type_, mi.StructType | mi.DictType):
        return yaml.MappingNode
    if isinstance(type_, mi.ListType | mi.VarTupleType | mi.TupleType):
        return yaml.SequenceNode
    return yaml.ScalarNode


def _join(key: str, name: str) -> str:
    """`pipelines` and `door` -> `pipelines.door`; a name that would be misread is quoted."""
    name = name if _PLAIN_KEY.fullmatch(name) else repr(name)
    return f"{key}.{name}" if key else name
