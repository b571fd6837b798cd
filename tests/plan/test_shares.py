"""Threads and workers of several pipelines on the cores of a machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.plan.shares import SMALL_BYTES, Setting, Wish, share_out

LARGE = 4_000_000


def alone(wish: Wish, cores: int) -> Setting:
    return share_out({"door": wish}, cores)["door"]


@pytest.mark.parametrize(
    ("cores", "wish", "expected"),
    [
        (1, Wish("latency", model_bytes=LARGE), (1, 1)),
        (2, Wish("latency", model_bytes=LARGE), (1, 1)),
        (4, Wish("latency", model_bytes=LARGE), (4, 1)),
        (16, Wish("latency", model_bytes=LARGE), (4, 1)),
        (4, Wish("latency", model_bytes=SMALL_BYTES - 1), (1, 1)),
        (2, Wish("throughput", model_bytes=LARGE), (1, 2)),
        (4, Wish("throughput", model_bytes=100), (1, 4)),
        (4, Wish("throughput", model_bytes=LARGE, remembers=True), (1, 1)),
        (4, Wish("throughput", threads=2, model_bytes=LARGE), (2, 2)),
        (4, Wish("throughput", workers=2, model_bytes=LARGE), (1, 2)),
        (4, Wish("latency", workers=2, model_bytes=LARGE), (2, 2)),
        (1, Wish("latency", threads=8, workers=3, model_bytes=LARGE), (8, 3)),
        (4, Wish("latency", accelerators=2, model_bytes=LARGE), (1, 1)),
        (4, Wish("throughput", accelerators=2, model_bytes=LARGE), (1, 2)),
        (2, Wish("latency", model_bytes=LARGE, measured=((2, 1), (1, 1))), (2, 1)),
        (2, Wish("throughput", model_bytes=LARGE, measured=((2, 1), (1, 2), (1, 1))), (2, 1)),
        (2, Wish("throughput", model_bytes=LARGE, measured=((2, 1), (1, 2), (1, 1)), threads=1), (1, 2)),
        (2, Wish("throughput", model_bytes=LARGE, measured=((1, 2), (1, 1)), remembers=True), (1, 1)),
    ],
)
def test_a_pipeline_alone_gets_what_its_profile_wants(cores: int, wish: Wish, expected: Setting) -> None:
    assert alone(wish, cores) == expected


def test_several_share_the_cores_and_what_is_configured_is_taken_off_first() -> None:
    latency, throughput = Wish("latency", model_bytes=LARGE), Wish("throughput", model_bytes=LARGE)
    assert share_out({"a": latency, "b": latency}, 4) == {"a": (2, 1), "b": (2, 1)}
    assert share_out({"a": throughput, "b": throughput, "c": throughput}, 4) == {"a": (1, 2), "b": (1, 1), "c": (1, 1)}
    fixed = Wish("latency", threads=1, workers=1, model_bytes=LARGE)
    assert share_out({"a": fixed, "b": throughput}, 4) == {"a": (1, 1), "b": (1, 3)}
    assert share_out({"a": Wish("latency", model_bytes=100), "b": throughput}, 4) == {"a": (1, 1), "b": (1, 3)}


def test_a_measured_setting_that_is_more_than_its_share_gives_way_to_the_next_best() -> None:
    measured = Wish("throughput", model_bytes=LARGE, measured=((1, 4), (2, 2), (1, 3), (2, 1), (1, 1)))
    assert share_out({"a": measured, "b": measured}, 6) == {"a": (1, 3), "b": (1, 3)}


wishes = st.builds(
    Wish,
    st.sampled_from(["latency", "throughput"]),
    threads=st.none() | st.integers(1, 4),
    workers=st.none() | st.integers(1, 4),
    model_bytes=st.sampled_from([100, LARGE]),
    accelerators=st.integers(0, 2),
    remembers=st.booleans(),
    measured=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), max_size=4).map(tuple),
)


@given(st.dictionaries(st.sampled_from("abcdef"), wishes, min_size=1), st.integers(1, 16))
def test_what_is_configured_stays_and_the_rest_fits_the_cores(pipelines: dict[str, Wish], cores: int) -> None:
    found = share_out(pipelines, cores)
    assert found.keys() == pipelines.keys()
    for name, wish in pipelines.items():
        threads, workers = found[name]
        assert threads == (wish.threads or threads)
        assert workers == (wish.workers or workers)
        assert workers == 1 or wish.workers or not wish.remembers
    if all(wish.threads is None and wish.workers is None for wish in pipelines.values()):
        on_cpu = [found[name] for name, wish in pipelines.items() if not wish.accelerators]
        assert sum(threads * workers for threads, workers in on_cpu) <= max(cores, len(on_cpu))
