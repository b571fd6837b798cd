"""The place of a problem, for every shape of text: written piece by piece, so that the truth is known."""

import dataclasses

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from msgspec import Struct

from edge_infer import config
from edge_infer.errors import ConfigError


class Tree(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    value: int = 0
    child: "Tree | None" = None
    named: "dict[str, Tree]" = {}
    listed: "list[Tree]" = []


def places_of(text: str) -> list[tuple[int, int]]:
    with pytest.raises(ConfigError) as caught:
        config.parse(text, Tree)
    return [(problem.line, problem.column) for problem in caught.value.problems]


@dataclasses.dataclass
class Text:
    """YAML that is written piece by piece, and where its wrong values begin."""

    written: str = ""
    wrong: list[tuple[int, int]] = dataclasses.field(default_factory=list)

    def value(self, right: bool) -> None:
        if not right:
            lines = self.written.split("\n")
            self.wrong.append((len(lines), len(lines[-1]) + 1))
        self.written += "7" if right else "wröng"


Shape = tuple[bool, bool, "Shape | None", dict[str, "Shape"], list["Shape"]]

SHAPES = st.recursive(
    st.tuples(st.booleans(), st.booleans(), st.none(), st.just({}), st.just([])),
    lambda shape: st.tuples(
        st.booleans(),
        st.booleans(),
        st.none() | shape,
        st.dictionaries(st.sampled_from(["å", "b c", "日本"]), shape, max_size=2),
        st.lists(shape, max_size=2),
    ),
    max_leaves=8,
)


def write(text: Text, shape: Shape, indent: str, flow: bool) -> None:
    """One Tree at the end of the text; in flow style it and all below it, else it begins where the text ends."""
    right, flow_below, child, named, listed = shape
    separator, end = (", ", "}") if flow else ("\n" + indent, "")
    text.written += "{value: " if flow else "value: "
    text.value(right)

    def below(shape: Shape, deeper: str) -> None:
        if flow or flow_below:
            write(text, shape, "", flow=True)
        else:
            text.written += "\n" + deeper
            write(text, shape, deeper, flow=False)

    if child:
        text.written += separator + "child: "
        below(child, indent + "  ")
    if named:
        text.written += separator + ("named: {" if flow else "named:")
        for i, (name, shape_below) in enumerate(named.items()):
            text.written += (", " if i else "") + f"{name}: " if flow else f"\n{indent} {name}: "
            below(shape_below, indent + "   ")
        text.written += "}" if flow else ""
    if listed:
        text.written += separator + ("listed: [" if flow else "listed:")
        for i, shape_below in enumerate(listed):
            text.written += ", " if flow and i else "" if flow else f"\n{indent}- "
            write(text, shape_below, indent + "  ", flow=flow or flow_below)
        text.written += "]" if flow else ""
    text.written += end


@pytest.mark.usefixtures("loader")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SHAPES, st.booleans())
def test_every_wrong_value_is_found_at_its_place_in_flow_and_block_mappings(shape: Shape, flow: bool) -> None:
    text = Text()
    write(text, shape, "", flow)
    if text.wrong:
        assert places_of(text.written) == sorted(text.wrong)
    else:
        config.parse(text.written, Tree)


@pytest.mark.usefixtures("loader")
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.sampled_from("a:1 -[]{}\"'\n\t&*!|>%#?,\\xuU\u2028\ud800é"), max_size=60))
def test_no_text_raises_anything_but_a_config_error(text: str) -> None:
    try:
        config.parse(text, Tree)
    except ConfigError as error:
        assert error.problems  # noqa: PT017
