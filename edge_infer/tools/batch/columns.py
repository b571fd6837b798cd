"""The columns of a Parquet file: the keys of a row, with types derived from those that travel over MQTT."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from msgspec import inspect

from edge_infer.tools.batch.rows import STREAM_ONLY, Row
from edge_infer.wire.result_payloads import WireDetail, WireResult

_PLAIN = {
    inspect.IntType: pa.int64(),
    inspect.FloatType: pa.float64(),
    inspect.BoolType: pa.bool_(),
    inspect.StrType: pa.string(),
    inspect.LiteralType: pa.string(),
}


@dataclass(frozen=True)
class Column:
    """How values of one type lie in Arrow: on the way there, and back. Neither is asked about None."""

    type: pa.DataType
    pack: Callable[[Any], Any] = lambda value: value
    unpack: Callable[[Any], Any] = lambda value: value


def columns() -> dict[str, Column]:
    """Each key that a row may have, in order. What may hold anything (`tensors`) is JSON in a string."""
    where = {"input": Column(pa.string()), "frame": Column(pa.int64()), "time_s": Column(pa.float64())}
    wire = inspect.type_info(WireResult)
    assert isinstance(wire, inspect.StructType)  # noqa: S101 - it is a Struct
    return where | {field.name: _column(field.type) for field in wire.fields if field.name not in STREAM_ONLY}


def pack(rows: Iterable[Row], known: dict[str, Column]) -> pa.Table:
    """Rows as a table with all columns."""
    fields = pa.schema([(name, column.type) for name, column in known.items()])
    return pa.Table.from_pylist(
        [_convert(row, {name: column.pack for name, column in known.items()}) for row in rows], fields
    )


def unpack(table: pa.RecordBatch, known: dict[str, Column]) -> list[Row]:
    """The rows again."""
    return [_convert(row, {name: column.unpack for name, column in known.items()}) for row in table.to_pylist()]


def _convert(value: dict[str, Any], by: dict[str, Callable[[Any], Any]]) -> dict[str, Any]:
    return {name: by[name](inner) for name, inner in value.items() if inner is not None}


def _column(kind: inspect.Type) -> Column:
    match kind:
        case inspect.UnionType():
            some = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
            return _column(some[0]) if len(some) == 1 else _anything()
        case inspect.Metadata():
            return _column(kind.type)
        case inspect.StructType() if kind.cls is WireDetail:  # may hold detections again: their depth has no end
            return _anything()
        case inspect.StructType():
            return _struct({field.encode_name: _column(field.type) for field in kind.fields})
        case inspect.VarTupleType() | inspect.ListType():
            return _list(_column(kind.item_type))
        case inspect.TupleType() if all(one == kind.item_types[0] for one in kind.item_types):
            return _list(_column(kind.item_types[0]))
        case inspect.DictType() if type(kind.value_type) in _PLAIN:
            return Column(pa.map_(pa.string(), _PLAIN[type(kind.value_type)]), lambda value: list(value.items()), dict)
    return Column(_PLAIN[type(kind)]) if type(kind) in _PLAIN else _anything()


def _anything() -> Column:
    return Column(pa.string(), json.dumps, json.loads)


def _struct(inner: dict[str, Column]) -> Column:
    packers = {name: column.pack for name, column in inner.items()}
    unpackers = {name: column.unpack for name, column in inner.items()}
    kind = pa.struct([(name, column.type) for name, column in inner.items()])
    return Column(kind, lambda value: _convert(value, packers), lambda value: _convert(value, unpackers))


def _list(inner: Column) -> Column:
    def each(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda values: [None if value is None else convert(value) for value in values]

    return Column(pa.list_(inner.type), each(inner.pack), each(inner.unpack))
