import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.bundle.flatbuffer import MAX_ITEMS, Flatbuffer, Schema, Table
from edge_infer.bundle.tflite_schema import SCHEMA
from edge_infer.errors import ModelError

LISTS = Schema({"Outer": ("[Inner]",), "Inner": ("[4]",)}, {})


def lists(count: int) -> bytearray:
    """A table whose field 0 names one inner table `count` times; the inner one's field 0 is a list of 7, 8."""
    head = struct.pack("<IHHHxxiI", 12, 6, 8, 4, 8, 4)  # root offset, vtable at 4, table at 12, list at 20
    inner = 24 + 4 * count
    offsets = (inner - (24 + 4 * i) for i in range(count))
    body = struct.pack(f"<I{count}I", count, *offsets)
    return bytearray(head + body + struct.pack("<iIIii", inner - 4, 4, 2, 7, 8))


def root(data: bytes | bytearray) -> Table:
    return Flatbuffer(bytes(data), "model").root()


def test_tables_and_lists_are_read() -> None:
    outer = root(lists(3))
    outer.verify(LISTS, "Outer")
    assert [inner.integers(0) for inner in outer.tables(0)] == [(7, 8)] * 3


def test_absent_fields_give_their_defaults() -> None:
    outer = root(lists(1))
    assert (outer.integer(5, "i", 42), outer.real(5, 0.5), outer.string(5), outer.table(5)) == (42, 0.5, "", None)
    assert (outer.tables(5), outer.integers(5), outer.reals(5), len(outer.data(5))) == ([], (), (), 0)


def test_the_end_is_behind_the_last_byte_that_was_read() -> None:
    buffer = Flatbuffer(bytes(lists(1)) + b"PK", "model")
    buffer.root().verify(LISTS, "Outer")
    assert buffer.end == len(lists(1))


@pytest.mark.parametrize("cut", range(len(lists(2))))
def test_every_cut_is_noticed(cut: int) -> None:
    with pytest.raises(ModelError, match=r"model is damaged: .* at byte \d+ of \d+"):
        root(lists(2)[:cut]).verify(LISTS, "Outer")


DAMAGES = {
    "ends outside the file": (16, "<I", 0x7FFFFFFF),  # offset of the list
    "a list of 4294967295 items": (20, "<I", 0xFFFFFFFF),
    "is not aligned to 4 bytes": (16, "<I", 5),
    "a vtable of 4 bytes ends outside the file at byte -": (12, "<i", 100),
    "a vtable of 65534 bytes": (4, "<H", 0xFFFE),
    "a vtable has sizes 5 and 8": (4, "<H", 5),
    "a vtable has sizes 2 and 8": (4, "<H", 2),
    "a vtable has sizes 6 and 0": (6, "<H", 0),
    "field 0 of 4 bytes is outside its table": (8, "<H", 6),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_damage_is_named(message: str) -> None:
    place, code, value = DAMAGES[message]
    data = lists(1)
    struct.pack_into(code, data, place, value)
    with pytest.raises(ModelError, match=message):
        root(data).verify(LISTS, "Outer")


def test_a_string_ends_with_zero() -> None:
    text = lists(1)
    strings = Schema({"Outer": ("[Inner]",), "Inner": ("s",)}, {})
    struct.pack_into("<I", text, 36, 7)  # the list of 2 numbers becomes a string of 7 bytes and its end
    struct.pack_into("<8s", text, 40, b"letters")
    outer = root(text)
    outer.verify(strings, "Outer")
    assert outer.tables(0)[0].string(0) == "letters"
    text[47] = ord("!")
    with pytest.raises(ModelError, match="a string has no end"):
        root(text).verify(strings, "Outer")


@pytest.mark.parametrize(("number", "sound"), [(1, True), (2, False), (3, True)])
def test_a_union_is_walked_as_the_table_its_number_names(number: int, sound: bool) -> None:
    schema = Schema({"Outer": ("1", "Union?"), "Scalar": ("4",), "List": ("[4]",)}, {"Union": {1: "Scalar", 2: "List"}})
    outer = struct.pack("<IHHHHiBxxxI", 12, 8, 12, 4, 8, 8, number, 4)
    data = outer + struct.pack("<iIHHH", -8, 6, 6, 8, 4)  # its field 0 holds 6: a number, or an offset to nowhere
    if sound:
        root(data).verify(schema, "Outer")
    else:
        with pytest.raises(ModelError, match="not aligned"):
            root(data).verify(schema, "Outer")


def test_one_table_that_is_named_a_million_times_is_refused_at_once() -> None:
    with pytest.raises(ModelError, match=f"more than {MAX_ITEMS} items"):
        root(lists(MAX_ITEMS + 1)).verify(LISTS, "Outer")


def test_lists_that_many_tables_share_are_counted_each_time() -> None:
    outer = root(lists(MAX_ITEMS // 4))
    outer.tables(0)
    with pytest.raises(ModelError, match=f"more than {MAX_ITEMS} items"):
        outer.tables(0)


@given(st.binary(max_size=400), st.integers(0, 40))
def test_any_bytes_are_walked_or_refused(noise: bytes, start: int) -> None:
    data = struct.pack("<I", start) + b"TFL3" + noise
    with suppress(ModelError):
        root(data).verify(SCHEMA, "Model")
