"""One YAML scalar -> a value of the type that is expected there, and of no other.

PyYAML reads YAML 1.1, where `off` is false, `012` is ten and `12:30:00` is 45000: none of this happens silently.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
import yaml
from msgspec import inspect as mi

from edge_infer.config.words import bounds, did_you_mean, kind

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*|0x[0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_BOOLS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_READ_AS = {"bool": "true or false", "int": "a number", "float": "a number", "null": "nothing"}


class Mismatch(Exception):  # noqa: N818 - control flow: the caller knows the place
    """It is not of the type; says what to do about it, if that is known."""


def scalar(type_: mi.Type, node: yaml.ScalarNode) -> Any:
    """The value of a node that must be of `type_`.

    Raises:
        Mismatch: it is not.
        TypeError: structs with fields of this type cannot be configured.
    """
    read = _READERS.get(type(type_))
    if read is None:
        raise TypeError(f"a field of type {type_} cannot be read from YAML: use one of those in config/scalar.py")
    value = read(type_, node)
    if not within(type_, value):
        raise Mismatch
    return value


def within(type_: mi.Type, value: object) -> bool:
    """True if the value keeps the limits of the type."""
    limits = bounds(type_)
    if not limits:
        return True
    try:
        msgspec.convert(value, cast(Any, Annotated)[type(value), msgspec.Meta(**limits)])
    except msgspec.ValidationError:
        return False
    return True


def _none(_: mi.Type, node: yaml.ScalarNode) -> None:
    if kind(node) != "null":
        raise Mismatch


def _bool(_: mi.Type, node: yaml.ScalarNode) -> bool:
    if kind(node) != "bool" or node.value.lower() not in _BOOLS:
        raise Mismatch
    return _BOOLS[node.value.lower()]


def _int(_: mi.Type, node: yaml.ScalarNode) -> int:
    if kind(node) != "int":
        raise Mismatch
    if not _INT.fullmatch(node.value):
        raise Mismatch("write it in decimal digits, with no leading zero, underscore or colon")
    return int(node.value, 0)


def _float(_: mi.Type, node: yaml.ScalarNode) -> float:
    plain = kind(node) == "str" and not node.style  # YAML 1.1 takes 1e5 for text
    if not (plain or kind(node) in {"int", "float"}) or not _FLOAT.fullmatch(node.value):
        raise Mismatch
    value = float(node.value)
    if not math.isfinite(value):
        raise Mismatch
    return value


def _text(_: mi.Type, node: yaml.ScalarNode) -> str:
    if read_as := _READ_AS.get(kind(node)):
        raise Mismatch(f"YAML reads this as {read_as}: to mean the text, put it in quotes" if node.value else "")
    return str(node.value)


def _literal(type_: mi.Type, node: yaml.ScalarNode) -> str | int:
    values = cast(mi.LiteralType, type_).values
    value = _int(type_, node) if kind(node) == "int" and node.value not in values else _text(type_, node)
    if value not in values:
        raise Mismatch(did_you_mean(str(value), [name for name in values if isinstance(name, str)]))
    return value


def _path(type_: mi.Type, node: yaml.ScalarNode) -> Path:
    if cast(mi.CustomType, type_).cls is not Path:
        raise TypeError(f"a field of type {type_} cannot be read from YAML: only pathlib.Path can")
    if not _text(type_, node):
        raise Mismatch
    return Path(node.value)


_READERS: dict[type[mi.Type], Callable[[mi.Type, yaml.ScalarNode], Any]] = {
    mi.NoneType: _none,
    mi.BoolType: _bool,
    mi.IntType: _int,
    mi.FloatType: _float,
    mi.StrType: _text,
    mi.LiteralType: _literal,
    mi.CustomType: _path,
}
