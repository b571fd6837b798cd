import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.errors import EdgeInferError, InputError, UnavailableError
from edge_infer.registry import open_source
from edge_infer.sources.source import BaseSource, EndOfStream
from edge_infer.sources.windows import Windows
from edge_infer.testing import check_source
from edge_infer.types import Frame, Wanted

NAN = float("nan")
SIMPLE = "t,x,y\n0,1,2\n0.5,3,4\n1,5,6\n"


def written(folder: Path, text: str | bytes, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def frames(folder: Path, text: str | bytes, **options: Any) -> list[Frame]:
    with open_source(written(folder, text), **options) as source:
        return list(source)


def channels(frame: Frame) -> tuple[str, ...]:
    assert frame.span is not None
    return frame.span.channels


def test_a_table_is_a_source(tmp_path: Path) -> None:
    path = written(tmp_path, SIMPLE)
    check_source(lambda: open_source(path))
    check_source(lambda: open_source(path, time="t", pace="realtime"))


def test_each_row_is_a_block_with_its_time_in_the_file(tmp_path: Path) -> None:
    found = frames(tmp_path, SIMPLE)
    assert [frame.data.tolist() for frame in found] == [[[1, 2]], [[3, 4]], [[5, 6]]]
    assert [frame.media_s for frame in found] == [0.0, 0.5, 1.0]
    assert [frame.span.start for frame in found if frame.span] == [0, 1, 2]
    assert {(channels(frame), frame.span.rate_hz, frame.path) for frame in found if frame.span} == {
        (("x", "y"), 0.0, str(tmp_path / "x.csv"))
    }


ROWS = [[1.5, 2.0], [3.25, NAN]]
WAYS = {
    "commas": "t,x,y\n0,1.5,2\n1,3.25,\n",
    "semicolons and decimal commas": "t;x;y\n0;1,5;2\n1,0;3,25;\n",
    "tabs": "t\tx\ty\n0\t1.5\t2\n1\t3.25\tNaN\n",
    "spaces": "t  x    y\n0  1.5  2\n1  3.25 nan\n",
    "bars": "t|x|y\n0|1.5|2\n1|3.25|null\n",
    "quotes, and spaces after commas": '"t", "x", "y"\n"0", "1.5", 2\n1, 3.25, "n/a"\n',
    "a byte order mark, and lines of Windows": "\ufefft,x,y\r\n0,1.5,2\r\n1,3.25,\r\n",
    "UTF-16": "t\tx\ty\n0\t1.5\t2\n1\t3.25\t\n".encode("utf-16"),
    "comments and empty lines": "# made by a logger\n\nt,x,y\n0,1.5,2\n\n# half time\n1,3.25,\n",
    "a separator at the end of each line": "t,x,y,\n0,1.5,2,\n1,3.25,,\n",
    "an index without a name": ",t,x,y\n0,0,1.5,2\n1,1,3.25,\n",
    "a column of words": "t,label,x,y\n0,walking,1.5,2\n1,running,3.25,\n",
    "times that people read": "timestamp,x,y\n2025-01-31 12:00:00.0,1.5,2\n2025-01-31 12:00:01.0,3.25,\n",
    "milliseconds since 1970": "Timestamp,x,y\n1738324800000,1.5,2\n1738324801000,3.25,\n",
    "a unit of the time": "time [us],x,y\n0,1.5,2\n1000000,3.25,\n",
}


@pytest.mark.parametrize("text", WAYS.values(), ids=WAYS)
def test_tables_are_read_however_they_are_written(tmp_path: Path, text: str | bytes) -> None:
    found = frames(tmp_path, text)
    np.testing.assert_array_equal(np.concatenate([frame.data for frame in found]), ROWS)
    assert [frame.media_s for frame in found] == [0.0, 1.0]
    assert channels(found[0]) == ("x", "y")


def test_units_stand_in_the_header_also_in_what_excel_writes(tmp_path: Path) -> None:
    [frame] = frames(tmp_path, "Zeit;Höhe [m];Temperatur (°C);n\n0;1,5;21,5;3\n".encode("cp1252"), time="Zeit")
    assert frame.span is not None
    assert frame.span.channels == ("Höhe", "Temperatur", "n")
    assert frame.span.units == ("m", "°C", "")


def test_columns_are_picked_by_name_and_named_where_there_is_no_header(tmp_path: Path) -> None:
    assert [frame.data.tolist() for frame in frames(tmp_path, SIMPLE, channels=["y"])] == [[[2]], [[4]], [[6]]]
    [first, *_] = frames(tmp_path, "0,1,2\n1,3,4\n", time="when", channels=["x", "y"])
    assert (channels(first), first.data.tolist(), first.media_s) == (("x", "y"), [[1, 2]], 0.0)
    [first, *_] = frames(tmp_path, "1,2\n3,4\n")
    assert (channels(first), first.media_s) == (("ch0", "ch1"), None)


def test_with_a_rate_rows_come_in_blocks_and_times_do_not_count(tmp_path: Path) -> None:
    found = frames(tmp_path, "t,x\n" + "".join(f"7,{k}\n" for k in range(300)), rate_hz=100)
    assert np.concatenate([frame.data for frame in found])[:, 0].tolist() == list(range(300))
    assert {frame.span.rate_hz for frame in found if frame.span} == {100.0}
    assert sum(frame.span.samples for frame in found if frame.span) == 300
    assert all(one.span.end == other.span.start for one, other in pairwise(found) if one.span and other.span)
    assert found[-1].media_s == pytest.approx(2.99)
    assert len(found) < 10


@pytest.mark.parametrize("options", [{}, {"rate_hz": 10}, {"case": "who"}])
def test_windows_never_span_two_recordings(tmp_path: Path, options: dict[str, Any]) -> None:
    column = options.get("case", "case")
    rows = "".join(f"{k % 70 / 10},{k},{'ab'[k // 70]}\n" for k in range(140))
    with open_source(written(tmp_path, f"time,x,{column}\n{rows}"), **options) as source:
        windows = Windows(source, Wanted(50, 10, 10.0, 1))
        found = list(windows)
    assert [frame.data[:, 0].tolist() for frame in found] == [
        [float(k) for k in range(begin, begin + 50)] for begin in (0, 10, 20, 70, 80, 90)
    ]
    media = [frame.media_s for frame in found]
    assert media == sorted(media, key=lambda at: at or 0.0)
    assert "clock" not in source.skipped


def test_a_clock_that_steps_back_within_a_recording_is_counted(tmp_path: Path) -> None:
    with open_source(written(tmp_path, "t,x\n5,1\n6,2\n3,3\n4,4\n")) as source:
        found = list(source)
    assert source.skipped == {"clock": 1}
    assert [frame.span.start for frame in found if frame.span] == [0, 1, 0, 1]
    assert [frame.media_s for frame in found] == [0.0, 1.0, 2.0, 3.0]


def test_a_table_may_be_read_again_and_again(tmp_path: Path) -> None:
    with open_source(written(tmp_path, SIMPLE), loop=True) as source:
        found = [source.read() for _ in range(7)]
    assert [frame.data[0, 0] for frame in found] == [1, 3, 5, 1, 3, 5, 1]
    assert [frame.media_s for frame in found] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert [frame.span.start for frame in found if frame.span] == [0, 1, 2, 0, 1, 2, 0]


def test_realtime_rows_come_not_before_their_time(tmp_path: Path) -> None:
    found = frames(tmp_path, "t,x\n100,1\n100.02,2\n100.05,3\n", pace="realtime")
    for frame in found:
        assert frame.media_s is not None
        assert (frame.captured_ns - found[0].captured_ns) / 1e9 >= frame.media_s - 0.002  # the first was a little late


def test_a_pause_in_a_table_is_cut_and_a_read_that_waits_can_be_interrupted(tmp_path: Path) -> None:
    path = written(tmp_path, "t,x\n0,1\n1e6,2\n2e6,3\n")
    with open_source(path, pace="realtime", max_pause_s=0.01) as source:
        assert [frame.data[0, 0] for frame in source] == [1, 2, 3]
    with open_source(path, pace="realtime") as source:
        source.read()
        timer = threading.Timer(0.0, source.interrupt)
        timer.start()
        with pytest.raises(EndOfStream):
            source.read()
        timer.join()


BAD = {
    "nothing": ("", "is empty"),
    "a header alone": ("t,x\n", "has a header line and no rows"),
    "no text": (b"PK\x03\x04\x00\x00", "is no table of text"),
    "words only": ("name,colour\nbob,red\n", r"there are no numbers in the column name, colour"),
    "a word among numbers": ("t,x\n" + "0,1\n" * 60 + "1,ovf\n", r"x\.csv:62: 'ovf' in the column 'x' is no number"),
    "a time that is none": ("t,x\n" + "0,1\n" * 60 + ",1\n", r"x\.csv:62: '' in the column 't' is no time"),
    "too many cells": ("t,x\n0,1\n1,2,3\n2,4\n", r"x\.csv:3: there are 3 cells, the first line has 2"),
    "too few cells": ("t,x\n0,1\n1\n2,4\n", r"x\.csv:3: there are 1 cells"),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_a_table_that_cannot_be_read_is_an_error_with_the_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        frames(tmp_path, text)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"channels": ["z"]}, r"has no column 'z': it has t, x, y|did you mean"),
        ({"time": "tiem"}, "has no column 'tiem'"),
        ({"case": "who"}, "has no column 'who'"),
        ({"time": "x", "time_unit": "iso"}, "'1' in the column 'x' is no time"),
    ],
)
def test_columns_that_are_not_there_are_errors_that_name_those_that_are(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        frames(tmp_path, SIMPLE, **options)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"there is no table at .*gone\.csv"):
        open_source(tmp_path / "gone.csv")


def test_realtime_needs_times_or_a_rate(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="for pace realtime say its rate_hz"):
        frames(tmp_path, "x\n1\n2\n", pace="realtime")


def test_a_last_line_that_was_cut_off_is_left_out_and_counted(tmp_path: Path) -> None:
    with open_source(written(tmp_path, "t,x,y\n0,1,2\n1,3,4\n2,5")) as source:
        assert [frame.data.tolist() for frame in source] == [[[1, 2]], [[3, 4]]]
    assert source.skipped == {"garbage": 1}


@given(st.binary(max_size=300) | st.text(alphabet="0123456789.,;\t\n\r -eEt#\"'", max_size=300).map(str.encode))
def test_any_bytes_are_a_table_or_an_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = written(tmp_path_factory.getbasetemp(), content)
    try:
        with open_source(path) as source:
            for frame in source:
                assert frame.span is not None
                assert frame.data.shape == (1, len(frame.span.channels))
    except EdgeInferError:
        return


@given(st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False, width=32)] * 3), min_size=1, max_size=20))
def test_a_table_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, ...]]
) -> None:
    text = "a,b,c\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows)
    found = frames(tmp_path_factory.getbasetemp(), text)
    np.testing.assert_array_equal(np.concatenate([frame.data for frame in found]), np.array(rows, np.float32))


def parquet(folder: Path, **columns: Any) -> BaseSource:
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install edge-infer[parquet]")
    from pyarrow import parquet as files

    path = folder / "x.parquet"
    files.write_table(pyarrow.table(columns), path)
    return open_source(path)


def test_parquet_has_types_units_and_missing_values(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install edge-infer[parquet]")
    times = pa.array([1_000_000, 1_020_000, 1_040_000], pa.timestamp("us"))
    columns = {"time": times, "x [m]": [1, 2, 3], "label": ["a", "b", "b"], "on": [True, False, None]}
    with parquet(tmp_path, **columns) as source:
        found = list(source)
    np.testing.assert_array_equal(np.concatenate([f.data for f in found]), [[1, 1], [2, 0], [3, NAN]])
    assert [frame.media_s for frame in found] == pytest.approx([0.0, 0.02, 0.04])
    assert found[0].span is not None
    assert (found[0].span.channels, found[0].span.units) == (("x", "on"), ("m", ""))


def test_parquet_that_is_none_or_lacks_a_time_is_an_error(tmp_path: Path) -> None:
    with parquet(tmp_path, t=[0.0, None], x=[1.0, 2.0]) as source, pytest.raises(InputError, match="row 2 has no time"):
        list(source)
    with pytest.raises(InputError, match="is no Parquet file"):
        open_source(written(tmp_path, "x,y\n1,2\n", "bad.parquet"))


def test_recordings_of_a_parquet_file_are_apart(tmp_path: Path) -> None:
    with parquet(
        tmp_path, t=["2025-01-01T00:00:00", "2025-01-01T00:00:01"] * 2, x=[1, 2, 3, 4], case=[1, 1, 2, 2]
    ) as s:
        assert [frame.span.start for frame in s if frame.span] == [0, 1, 0, 1]
