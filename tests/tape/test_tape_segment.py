"""What a recording is made of survives a kill at any byte, and damage costs no more than it must."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.errors import InputError, UnavailableError
from edge_infer.tape.segment import Place, Segment, content_of, packed, scan

CONTENTS = st.lists(st.binary(max_size=200), min_size=1, max_size=6)


def written(path: Path, contents: list[bytes]) -> bytes:
    segment = Segment(path)
    for number, content in enumerate(contents):
        segment.append(packed("kept", 1000 * number, number, content))
    segment.close()
    return path.read_bytes()


def readable(places: list[Place]) -> list[bytes]:
    found = []
    for place in places:
        with suppress(InputError):
            found.append(content_of(place))
    return found


@given(contents=CONTENTS)
def test_what_was_written_is_read_in_its_order(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("tape") / "a"
    written(path, contents)
    found = scan(path)
    assert readable(found.places) == contents
    assert [(place.kind, place.group, place.order) for place in found.places] == [
        ("kept", 1000 * number, number) for number in range(len(contents))
    ]
    assert (found.damaged, found.cut_off) == ([], 0)


@given(contents=CONTENTS, data=st.data())
def test_a_file_that_was_cut_off_anywhere_gives_all_whole_records(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("tape") / "a"
    whole = written(path, contents)
    ends = [place.offset + place.size for place in scan(path).places]
    at = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:at])
    found = scan(path)
    assert readable(found.places) == contents[: sum(end <= at for end in ends)]
    assert found.damaged == []
    assert found.cut_off == at - max([end for end in ends if end <= at], default=0)


@given(contents=CONTENTS, data=st.data())
def test_a_byte_that_is_another_costs_one_record(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("tape") / "a"
    whole = bytearray(written(path, contents))
    places = scan(path).places
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    struck = next(number for number, place in enumerate(places) if at < place.offset + place.size)
    found = scan(path)
    left = [content for number, content in enumerate(contents) if number != struck]
    # Where the mark of a record is struck, what stands before it seems to end elsewhere: it goes, too.
    neighbour = [content for number, content in enumerate(contents) if number not in (struck, struck - 1)]
    assert readable(found.places) in (left, neighbour)


def test_a_file_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot read"):
        scan(tmp_path / "a")


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert scan(tmp_path / "a").places == []


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    written(tmp_path / "a", [b"first"])
    with pytest.raises(FileExistsError):
        Segment(tmp_path / "a")
