"""The page of a report: it stands alone, says all, and is well-formed."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import msgspec
import pytest
from bench_reports import figure, live, report, sustained

from edge_infer.tools.bench import plots
from edge_infer.tools.bench.page import page
from edge_infer.tools.bench.plots import bars, distribution
from edge_infer.tools.bench.record import Curve, Outcome, Series
from edge_infer.tools.bench.told import told

VOID = {"meta"}


class Tree(HTMLParser):
    """Fails where a tag is not closed in its turn; keeps the text and what would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.fetched += [name for name, _ in attrs if name in ("src", "href", "srcset")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A shape of a picture."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_a_page_needs_nothing_from_elsewhere_and_is_well_formed() -> None:
    text = page(report(live(25, 26, 27, 28, 29), sustained()))
    tree = Tree(text)
    assert tree.open == []
    assert tree.fetched == []
    assert not re.search(r"https?:|url\(|@import|<script", text)
    assert "prefers-color-scheme:dark" in text


def test_a_page_shows_what_it_was_measured_on_and_escapes_it() -> None:
    text = " ".join(Tree(page(report(live(25, 26, 27, 28, 29), sustained()))).text)
    for said in (
        "Raspberry Pi 5 Model B Rev 1.0",
        "ondemand",
        "hwmon ina219/power1; idle 2.50 W",
        "<model>",
        "abcdef012345",
    ):
        assert said in text
    assert "63 of 64 operators in a delegate in 2 parts" in text
    assert "needs 662 samples, has 100" in text, "what was not measured says why"


def test_percentiles_that_samples_do_not_bear_are_not_marked() -> None:
    text = page(report(live(25, 26, 27, 28, 29)))
    marks = re.findall(r'<text class="value"[^>]*>(p\d\d) ([\d.]+)<', text)
    assert set(marks) == {("p50", "27"), ("p90", "27")}


def test_a_throttled_run_is_no_quiet_matter() -> None:
    one = report(live(25, 26, 27, 28, 29))
    assert "It was throttled" not in page(one)
    slowed = msgspec.structs.replace(one, throttled=("under_voltage",))
    assert "It was throttled: under_voltage." in page(slowed)
    assert any("THROTTLED: under_voltage" in line for line in told(slowed))


@pytest.mark.parametrize(
    "spread",
    [
        (1.0,) * 1001,
        tuple(0.001 * k for k in range(1001)),
        (0.0,) * 1000 + (1e6,),
        tuple(1e-6 * k for k in range(1001)),
        tuple(0.01 * 1.01**k for k in range(1001)),
    ],
    ids=["all alike", "even", "one far off", "tiny", "wide"],
)
def test_any_distribution_can_be_drawn(spread: tuple[float, ...]) -> None:
    svg = distribution(Curve(n=5, thousandths_ms=spread), {"p50": spread[500], "p90": spread[900], "p99": spread[990]})
    drawn = ET.fromstring(svg)
    for shape in drawn.iter("circle"):
        assert 0 <= float(shape.attrib["cx"]) <= plots.WIDTH
        assert 0 <= float(shape.attrib["cy"]) <= plots.HEIGHT


@pytest.mark.parametrize("values", [{"a & b": 0.0}, {"a": 1.0, "b": 1e9}, {"a": 1e-9}])
def test_any_bars_can_be_drawn(values: dict[str, float]) -> None:
    assert len(list(ET.fromstring(bars(values, "ms")).iter("rect"))) == len(values)


@pytest.mark.parametrize("values", [(5.0,), (0.0, 0.0), (-20.0, None, -19.5)])
def test_any_course_can_be_drawn(values: tuple[float | None, ...]) -> None:
    series = Series(unit="°C", at_s=tuple(range(len(values))), values=values)
    ET.fromstring(plots.over_time(series))


def test_a_terminal_says_the_same() -> None:
    side = Outcome(
        scenario="side",
        about="beside each other",
        figures={
            **{name: figure(100, 101, 99) for name in ("bare", "pipeline", "by hand")},
            **{f"{name} CPU": figure(1, 2, 3, unit="ms") for name in ("bare", "pipeline", "by hand")},
            "pipeline/bare": figure(0.97, 0.98, 0.99, unit="x"),
            "pipeline/by hand": figure(1.1, 1.2, 1.3, unit="x"),
            "p50": figure(5, unit="ms"),
            "p95": figure(6, unit="ms"),
        },
        notes=("2 of 9 results were not acknowledged",),
    )
    text = "\n".join(told(report(side, live(25, 26, 27, 28, 29), sustained())))
    assert "0.980 (0.970..0.990)" in text
    assert "<model>: 2 of 9 results were not acknowledged" in text
    assert "each result that the pipeline gave was acknowledged" not in text
    assert "<model>: p99 is not known: needs 662 samples, has 100" in text
    assert "48 to 61 °C, not throttled" in text
    assert page(report(side))
