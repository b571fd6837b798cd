"""What `collector audit` shows."""

from dataclasses import replace

import pytest

from edge_infer.cli.audited import SHOWN, render
from edge_infer.collector.audit import EpochAudit, GapAudit

GOOD = EpochAudit(
    device="porch",
    epoch=1,
    boot="b",
    highest=10,
    rows=10,
    expired=0,
    stored=((1, 10),),
    gaps=(),
    missing=(),
    awaited=(),
    double=(),
    late=(),
    other_boots=(),
    dead_letters=0,
)


def test_nothing_is_said_of_an_epoch_that_is_in_order() -> None:
    assert render([GOOD], {}) == [
        "device  epoch  numbers  rows  expired  in gaps  missing  awaited  double",
        "porch       1       10    10        0        0        0        0       0",
        "nothing is missing: each number is one row, or lies in one gap",
    ]


def test_the_columns_are_as_wide_as_what_is_in_them() -> None:
    lines = render([GOOD, replace(GOOD, device="a-longer-name", rows=123_456_789)], {})
    assert len({len(line) for line in lines[:-1]}) == 1


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ({"missing": ((3, 5), (9, 9))}, "4 missing, 0 double, 0 awaited"),
        ({"double": ((3, 3),)}, "0 missing, 1 double, 0 awaited"),
        ({"awaited": ((3, 5),)}, "nothing is missing so far; 3 are still with their devices"),
    ],
)
def test_the_last_line_is_the_verdict(found: dict[str, tuple[tuple[int, int], ...]], verdict: str) -> None:
    *_, note, last = render([replace(GOOD, **found)], {})
    assert last == verdict
    assert note.strip().startswith(next(iter(found)))


def test_an_empty_database_is_no_proof() -> None:
    assert render([], {})[-1] == "nothing has been collected"
    assert render([], {None: 2, "porch": 3})[-2:] == [
        "dead letters: 2 of no device, 3 of porch",
        "nothing has been collected",
    ]


def test_many_ranges_and_gaps_are_cut() -> None:
    ranges = tuple((number, number) for number in range(1, 40, 2))
    gaps = tuple(GapAudit(first, first, "full", 1) for first, _ in ranges)
    notes = render([replace(GOOD, missing=ranges, gaps=gaps)], {})[2:-1]
    assert "and 10 gaps more" in notes[SHOWN]
    assert notes[-1].endswith("17, 19 and 10 ranges more")
