import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.sources.readings import Layout, NotARow, name_and_unit, number, split
from edge_infer.sources.times import OwnClock, iso_seconds, to_seconds

S = 1_000_000_000


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("accel_x [m/s^2]", ("accel_x", "m/s^2")),
        ("temp (degC)", ("temp", "degC")),
        ("Temperatur[°C]", ("Temperatur", "°C")),
        (" x ", ("x", "")),
        ("rate (1/s) [Hz]", ("rate (1/s)", "Hz")),
        ("[V]", ("[V]", "")),
        ("", ("", "")),
    ],
)
def test_a_header_names_channels_and_their_units(cell: str, said: tuple[str, str]) -> None:
    assert name_and_unit(cell) == said


@pytest.mark.parametrize("text", ["", " ", "NaN", "n/a", "NULL", "-", "?"])
def test_what_stands_for_no_value_is_missing(text: str) -> None:
    assert math.isnan(number(text))


@pytest.mark.parametrize("text", ["ovf", "1,5", "1.2.3", "0x10"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"could not convert"):
        number(text)


def test_decimals_may_have_a_comma() -> None:
    assert number("-1,5e3", decimal_comma=True) == -1500.0
    assert split("1,5;2") == (["1,5", "2"], True)
    assert split("1,5\t2.5") == (["1,5", "2.5"], False)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=8))
def test_numbers_come_through_as_they_are_however_they_are_written(values: list[float]) -> None:
    names = tuple(f"c{place}" for place in range(len(values)))
    lines = [
        ",".join(map(repr, values)) if len(values) > 1 else f"{values[0]!r}",
        msgspec.json.encode(values).decode(),
        msgspec.json.encode(dict(zip(names, values, strict=True))).decode(),
        ";".join(f"{name}:{value!r}" for name, value in zip(names, values, strict=True)),
    ]
    for line in lines:
        row = Layout(names).line(line)
        assert row is not None
        assert row[0].dtype == np.float32
        np.testing.assert_array_equal(row[0], [values])


@given(st.text() | st.binary().map(lambda some: some.decode("latin-1")))
def test_any_line_is_a_row_or_is_not(line: str) -> None:
    layout = Layout(())
    try:
        row = layout.line(line)
    except NotARow:
        return
    assert row is None or row[0].shape == (1, len(layout.channels))


@given(st.binary())
def test_any_payload_is_a_row_or_is_not(payload: bytes) -> None:
    layout = Layout(("x",))
    try:
        assert layout.json(payload)[0].shape == (1, 1)
    except NotARow:
        return


@pytest.mark.parametrize(
    ("payload", "cause"),
    [
        (b"", "garbage"),
        (b"{", "garbage"),
        (b'"hello"', "garbage"),
        (b"true and false", "garbage"),
        (b'{"y": 1}', "channels"),
        (b"[1, 2]", "channels"),
        (b'["a"]', "garbage"),
        (b'{"x": "open"}', "channels"),
        (b"[" * 5000, "garbage"),
    ],
)
def test_a_payload_that_is_no_row_says_why(payload: bytes, cause: str) -> None:
    with pytest.raises(NotARow) as refused:
        Layout(("x",)).json(payload)
    assert refused.value.cause == cause


def test_fields_are_found_where_they_are_and_texts_that_are_numbers_count() -> None:
    layout = Layout(("acc.x", "list.1", "on", "text", "none", "gone"))
    values, _ = layout.json(b'{"acc": {"x": 1}, "list": [2, 3], "on": true, "text": "4.5", "none": null, "id": "a"}')
    np.testing.assert_array_equal(values, [[1.0, 3.0, 1.0, 4.5, np.nan, np.nan]])


def test_a_number_alone_is_a_reading() -> None:
    layout = Layout((), ("degC",))
    assert layout.json(b"21.5")[0].tolist() == [[21.5]]
    assert (layout.channels, layout.units) == (("ch0",), ("degC",))


def test_what_float32_cannot_hold_is_missing() -> None:
    values, _ = Layout(("x", "y", "z")).json(b"[1e39, -Infinity, NaN]")
    assert np.isnan(values).all()


@pytest.mark.parametrize(
    ("name", "unit", "said", "example", "seconds"),
    [
        ("t", "", None, "1.5", 1.5),
        ("t", "ms", None, "1500", 1.5),
        ("time_ms", "", None, "1500", 1.5),
        ("elapsed us", "", None, 1_500_000, 1.5),
        ("t", "", "ns", 1_500_000_000, 1.5),
        ("t", "", None, "1,5", 1.5),
        ("timestamp", "", None, "1700000000.25", 1_700_000_000.25),
        ("timestamp", "", None, "1700000000250", 1_700_000_000.25),
        ("timestamp", "", None, 1_700_000_000_250_000, 1_700_000_000.25),
        ("timestamp", "", None, 1_700_000_000_250_000_000, 1_700_000_000.25),
        ("timestamp", "", None, "2023-11-14T22:13:20.250Z", 1_700_000_000.25),
        ("timestamp", "", None, "2023-11-14 22:13:20,25", 1_700_000_000.25),
        ("timestamp", "", None, "2023-11-15T00:13:20.25+02:00", 1_700_000_000.25),
        ("day", "", None, "2023-11-15", 1_700_006_400.0),
    ],
)
def test_times_are_seconds(name: str, unit: str, said: None, example: object, seconds: float) -> None:
    assert to_seconds(name, unit, example, said)(example) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize("text", ["noon", "", "nan", "14.11.2023 22:13", None])
def test_what_is_no_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"no number|Invalid isoformat"):
        to_seconds("t", "", text)
    with pytest.raises(ValueError, match="Invalid isoformat"):
        iso_seconds(text)


def placed(clock: OwnClock, *pairs: tuple[object, float]) -> list[float]:
    """Seconds on our clock for (own time, when it came)."""
    found = []
    for own, came_s in pairs:
        clock.hear(own, round(came_s * S))
        found.append(clock.place(own, came_s, round(came_s * S))[1] / S)
    return found


def test_what_came_late_is_dated_when_it_was_measured() -> None:
    clock = OwnClock("millis", "ms")
    assert placed(clock, ("1000", 50.0), ("1100", 50.4), ("1200", 50.2)) == pytest.approx([50.0, 50.1, 50.2], abs=0.01)


def test_what_comes_together_is_dated_by_its_own_times() -> None:
    clock = OwnClock("t", "s")
    for own in (1.0, 1.5, 2.0):
        clock.hear(own, 9 * S)
    assert [clock.place(own, 9.0, 9 * S)[1] / S for own in (1.0, 1.5, 2.0)] == pytest.approx([8.0, 8.5, 9.0])


def test_a_clock_that_starts_anew_is_dated_from_then_on() -> None:
    clock = OwnClock("t", "s")
    assert placed(clock, (500.0, 50.0), (501.0, 51.0), (0.5, 60.0), (1.5, 61.2)) == pytest.approx(
        [50, 51, 60, 61], abs=0.01
    )


def test_a_clock_that_drifts_stays_beside_ours() -> None:
    """One that loses half a percent: a day later it is 432 s behind, and what it dates is not."""
    clock = OwnClock("t", "s")
    for came_s in range(0, 86_400, 10):
        clock.hear(0.995 * came_s, came_s * S)
    assert clock.place(0.995 * 86_390, 86_390.0, 86_390 * S)[1] / S == pytest.approx(86_390, abs=0.1)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e3)), min_size=1, max_size=30))
def test_nothing_is_dated_later_than_it_came(pairs: list[tuple[float, float]]) -> None:
    clock, came = OwnClock("t", "s"), 0.0
    for own, step in pairs:
        came += step
        clock.hear(own, round(came * S))
        assert clock.place(own, came, round(came * S))[0] <= came
