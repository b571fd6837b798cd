"""A sensor on a serial line: a pseudo-terminal, whose other end the test holds."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ptys import Plug, plugged
from scripted import Harness
from waiting import until

from edge_infer.errors import SourceError, UnavailableError
from edge_infer.registry import open_source
from edge_infer.sources.source import BaseSource, EndOfStream
from edge_infer.testing import check_source

pytest.importorskip("serial", reason="needs pyserial: pip install edge-infer[sensors]")

from edge_infer.sources.serial_lines import SerialSource


@pytest.fixture
def plug(tmp_path: Path) -> Iterator[Plug]:
    with plugged(tmp_path / "sensor") as plug:
        yield plug


def opened(plug: Plug, **options: object) -> BaseSource:
    return open_source(plug.path, kind="serial", **options)


def rows(source: BaseSource, count: int) -> list[list[float]]:
    return [source.read().data[0].tolist() for _ in range(count)]


def test_a_serial_sensor_is_a_source(plug: Plug) -> None:
    def with_rows() -> BaseSource:
        source = opened(plug)
        plug.send("x,y\n1,2\n3,4\n5,6\n")
        return source

    check_source(with_rows)


@pytest.mark.parametrize(
    ("lines", "channels", "units", "expected"),
    [
        ("x,y\n1,2\n3,4\n", ("x", "y"), (), [[1, 2], [3, 4]]),
        ("accel_x [m/s^2],temp (degC)\n1,2\n", ("accel_x", "temp"), ("m/s^2", "degC"), [[1, 2]]),
        ("junk\n1;2,5\n\n# restarted\n3;4\n", ("junk",), (), []),
        ("a;b\n1,5;2,5\n3;4\n", ("a", "b"), (), [[1.5, 2.5], [3, 4]]),
        ("a b\n 1  2.5\n-3 4e1\n", ("a", "b"), (), [[1, 2.5], [-3, 40]]),
        ("9,9\n1,2\n3,4\n", ("ch0", "ch1"), (), [[1, 2], [3, 4]]),
        ('{"acc": {"x": 1, "y": 2}, "id": "s1"}\n{"acc": {"x": 3, "y": null}}\n', ("acc.x", "acc.y"), (), "nan"),
        ("[1, 2.5]\n[3, 4]\n", ("ch0", "ch1"), (), [[1, 2.5], [3, 4]]),
        ("half:3\ntemp:21.5,hum:40\ntemp:22,hum:41\n", ("temp", "hum"), (), [[21.5, 40], [22, 41]]),
    ],
)
def test_lines_become_rows(
    plug: Plug, lines: str, channels: tuple[str, ...], units: tuple[str, ...], expected: list[list[float]] | str
) -> None:
    with opened(plug, timeout_s=2.0 if expected else 0.2) as source:
        plug.send(lines)
        if not expected:
            with pytest.raises(SourceError, match="sends what cannot be read"):
                source.read()
            return
        if expected == "nan":
            assert rows(source, 1) == [[1.0, 2.0]]
            np.testing.assert_array_equal(source.read().data, [[3.0, np.nan]])
            return
        first = source.read()
        assert first.span is not None
        assert (first.span.channels, first.span.units, first.span.rate_hz) == (channels, units, 0.0)
        assert [first.data[0].tolist(), *rows(source, len(expected) - 1)] == expected


def test_channels_are_picked_and_left_out_by_name(plug: Plug) -> None:
    with opened(plug, channels=("t", "_", "x"), time="t", time_unit="ms", units=("m",)) as source:
        plug.send("0,0,0\n1000,7,1\n1250,7,2\n")
        one, other = source.read(), source.read()
    assert one.span is not None
    assert (one.span.channels, one.span.units) == (("x",), ("m",))
    assert [one.data[0, 0], other.data[0, 0]] == [1.0, 2.0]
    assert (other.captured_ns - one.captured_ns) / 1e9 == pytest.approx(0.25)


def test_what_is_no_row_is_counted_by_its_cause_and_leaves_its_place_empty(plug: Plug) -> None:
    with opened(plug, channels=("x", "y")) as source:
        plug.send("5,6\n1,2\n")  # the first may be the end of a line that began with more digits
        plug.send(b"\xff\xfe\x00garbage\n1,x\n1,2,3\n3,4\n5")
        plug.send(",6\n" + "7" * 9000 + "\n8,9\n\n[1,2,3]\n10,11\n")
        found = [source.read() for _ in range(5)]
    assert [frame.data[0].tolist() for frame in found] == [[1, 2], [3, 4], [5, 6], [8, 9], [10, 11]]
    assert source.skipped == {"half": 1, "garbage": 3, "channels": 2}
    assert [frame.span.start for frame in found if frame.span] == [0, 4, 5, 7, 9]
    assert [frame.number for frame in found] == [0, 1, 2, 3, 4]


def test_rows_that_come_in_one_piece_are_dated_one_after_the_other(plug: Plug) -> None:
    with opened(plug, channels=("x",)) as source:
        plug.send("0\n")
        plug.send("1\n")
        source.read()
        plug.send("2\n3\n4\n")
        times = [source.read().captured_ns for _ in range(3)]
    assert times == sorted(set(times))


def test_a_sensor_that_falls_silent_is_lost(plug: Plug) -> None:
    with opened(plug, timeout_s=0.2) as source:
        plug.send("x\n1\n")
        source.read()
        with pytest.raises(SourceError, match=r"gave no readings for 0\.2 s: check its power"):
            source.read()


def test_a_read_that_waits_ends_when_it_is_interrupted(plug: Plug) -> None:
    ended: list[Exception] = []

    def read() -> None:
        try:
            source.read()
        except EndOfStream as error:
            ended.append(error)

    with opened(plug, timeout_s=3600.0) as source:
        reader = threading.Thread(target=read)
        reader.start()
        source.interrupt()
        until(lambda: ended)
        reader.join()


def test_a_port_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no serial port .*/absent; those of this machine: "):
        SerialSource(str(tmp_path / "absent"))


def test_a_port_that_is_in_use_is_an_error_that_says_how_to_find_out(plug: Plug) -> None:
    with opened(plug), pytest.raises(SourceError, match="see what uses it"):
        opened(plug)


def test_without_pyserial_the_error_says_what_to_install(plug: Plug, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "serial", None)
    with pytest.raises(UnavailableError, match=r"pip install edge-infer\[sensors\]"):
        opened(plug)


@pytest.mark.usefixtures("no_thread_is_left_behind")
def test_a_sensor_that_stops_sends_garbage_and_is_replugged_loses_no_row_uncounted(tmp_path: Path) -> None:
    path = tmp_path / "sensor"
    harness = Harness(lambda: open_source(path, kind="serial", channels=("x", "y"), timeout_s=2.0))
    capturing = harness.pipeline._source

    def seen() -> int:
        return len(harness.published) + harness.drops.total()

    with plugged(path) as plug:
        harness.pipeline.start()
        until(lambda: capturing._source is not None, what="the open port")
        plug.send("#\n1,2\n3,4\nnonsense\n5,6,7\n8,9\n")
        until(lambda: seen() == 5, what="five lines")
        until(lambda: harness.pipeline.state == "lost", what="the loss of a sensor that has stopped")
        plug.unplug()
        before, old = capturing.restarts, capturing._source
        until(lambda: capturing.restarts > before + 1, what="attempts to open it again")
        plug.plug()
        until(lambda: capturing._source is not old, what="the open port")
        plug.send("#\n10,11\n12,13\n")
        until(lambda: seen() == 7, what="seven lines")
        harness.stop()
    assert {cause: harness.drops[cause] for cause in ("garbage", "channels", "half")} == {
        "garbage": 1,
        "channels": 1,
        "half": 0,
    }
    assert len(harness.published) + harness.drops["overrun"] == 5
