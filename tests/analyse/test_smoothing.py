import math
from typing import Any

import pytest
from happened import Story, classes
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.analyse.episodes import Sight
from edge_infer.analyse.settings import SmoothSettings
from edge_infer.analyse.smoothing import Belief, Mean, make_smoothing


def seen(**scores: float) -> dict[str, Sight]:
    return {label: Sight(label, score) for label, score in scores.items()}


def beliefs(smoothing: Belief | Mean, results: list[dict[str, float]], every_s: float = 0.1) -> list[dict[str, float]]:
    found = [smoothing(seen(**result), number * every_s) for number, result in enumerate(results)]
    return [{key: round(sight.score, 3) for key, sight in one.items()} for one in found]


def test_a_mean_counts_what_is_not_listed_as_nothing() -> None:
    assert beliefs(Mean(4), [{"yes": 0.8}, {"yes": 1.0}, {}, {"no": 0.4}, {}]) == [
        {"yes": 0.2},
        {"yes": 0.45},
        {"yes": 0.45},
        {"yes": 0.45, "no": 0.1},
        {"yes": 0.25, "no": 0.1},
    ]


def test_a_belief_is_what_the_forward_algorithm_gives() -> None:
    """Two results of one class, by hand: a chain of two states that stays with 0.9 a second, a second apart."""
    first, second = beliefs(Belief(0.9, exclusive=False), [{"a": 0.6}, {"a": 0.7}], every_s=1.0)
    before = 0.1
    after = before * 0.6 / (before * 0.6 + 0.9 * 0.4)
    assert first == {"a": round(after, 3)}
    moved = after * 0.9 + (1 - after) * 0.1
    assert second == {"a": round(moved * 0.7 / (moved * 0.7 + (1 - moved) * 0.3), 3)}


@pytest.mark.parametrize("exclusive", [True, False])
def test_one_result_changes_no_mind_and_three_do(exclusive: bool) -> None:
    belief = Belief(0.9, exclusive=exclusive)
    (settled,) = beliefs(belief, [{"cat": 0.9}] * 20)[-1:]
    assert settled["cat"] > 0.9
    flicker = Belief(0.9, exclusive=exclusive)
    found = beliefs(flicker, [{"cat": 0.9}] * 20 + [{"dog": 0.9}] + [{"cat": 0.9}] + [{"dog": 0.9}] * 3)
    assert found[20]["cat"] > 0.5
    assert found[21]["cat"] > 0.9
    assert found[-1]["dog"] > 0.5 > found[-1].get("cat", 0.0)


def test_exclusive_classes_share_what_is_believed_and_others_do_not() -> None:
    said = [{"cat": 0.45, "dog": 0.3, "fox": 0.2}] * 10
    found = beliefs(Belief(0.9), said)[-1]
    assert sum(found.values()) <= 1.0
    assert found["cat"] > 0.5
    independent = beliefs(Belief(0.9), [{"speech": 0.9, "music": 0.8}] * 10)[-1]
    assert min(independent.values()) > 0.9
    assert beliefs(Belief(0.9, exclusive=False), said)[-1]["cat"] < 0.5


@given(st.floats(0.55, 0.99), st.integers(2, 6), st.floats(0.01, 3.0), st.booleans())
def test_without_evidence_a_belief_moves_alike_at_any_rate(
    stay: float, steps: int, whole_s: float, exclusive: bool
) -> None:
    """Scores that favour nothing leave the chain alone; in one step or in several it comes to the same."""

    def settled() -> Belief:
        belief = Belief(stay, exclusive=exclusive)
        for number in range(30):
            belief(seen(a=0.9, b=0.05), number * 0.01)
        return belief

    even = dict.fromkeys("ab", 1 / 3 if exclusive else 0.5)
    at_once = settled()(seen(**even), 0.29 + whole_s)
    slowly = settled()
    for step in range(1, steps + 1):
        found = slowly(seen(**even), 0.29 + whole_s * step / steps)
    assert found["a"].score == pytest.approx(at_once["a"].score, abs=1e-6)


@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1), max_size=5), st.floats(0, 100)),
        max_size=30,
    ),
    st.sampled_from([None, True, False]),
)
def test_beliefs_are_probabilities_whatever_comes(
    results: list[tuple[dict[str, float], float]], exclusive: bool | None
) -> None:
    belief, at_s = Belief(0.8, exclusive=exclusive), 0.0
    for scores, passed_s in results:
        at_s += passed_s
        found = belief(seen(**scores), at_s)
        assert all(0.0 <= sight.score <= 1.0 and math.isfinite(sight.score) for sight in found.values())
        assert set(scores) <= set(found)


def test_what_is_believed_no_more_is_forgotten() -> None:
    belief = Belief(0.9)
    for number in range(300):
        belief(seen(**{f"class{number}": 0.9}), number * 0.1)
    assert len(belief({}, 100.0)) < 10


def test_events_of_flickering_classes_are_steady_with_it() -> None:
    def told(**settings: Any) -> list[str]:
        story = Story(hold_s=0.0, update_s=None, **settings)
        for number in range(60):
            story.see(classes(**({"dog": 0.6} if number % 4 == 3 and number > 4 else {"cat": 0.8})))
        return [f"{event.phase} {event.label}" for event in story.events]

    assert len(told()) > 50
    assert told(smooth=SmoothSettings(stay=0.9)) == ["start cat"]
    assert told(smooth=SmoothSettings(mean=8)) == ["start cat"]
    assert isinstance(make_smoothing(SmoothSettings(mean=5)), Mean)
