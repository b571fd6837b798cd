"""Topics of a device, and what may stand in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.errors import UsageError
from edge_infer.wire.topics import Kind, Topics, check_name, level_of


@pytest.mark.parametrize("name", ["a", "porch", "Pi4-dock_07.b", "7", "x" * 64])
def test_an_ordinary_name_is_a_level_of_a_topic(name: str) -> None:
    assert check_name("device", name) == name


@pytest.mark.parametrize(
    "name", ["", "a/b", "/", "+", "#", "a+", "a#", "$SYS", "a b", "-a", ".a", "_collector", "ä", "a\0", "a\n", "x" * 65]
)
def test_a_name_that_would_change_the_topic_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be part of a topic: use 1 to 64"):
        check_name("device", name)


@given(st.text())
def test_a_name_that_is_accepted_is_exactly_one_level(name: str) -> None:
    try:
        accepted = check_name("pipeline", name)
    except UsageError:
        return
    assert Topics("d").envelopes(Kind.RESULT, accepted).split("/") == ["edge", "v1", "d", "results", name]
    assert not set(accepted) & set("#+$\0")


@given(st.text())
def test_every_name_of_a_source_can_be_made_a_level(name: str) -> None:
    assert check_name("pipeline", level_of(name))


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("door", "door"),
        ("clip.mp4", "clip.mp4"),
        ("rtsp://user:***@porch:554/stream", "rtsp-user-porch-554-stream"),
        ("/dev/video0", "dev-video0"),
        ("photos/*.jpg", "photos-.jpg"),
        ("", "unnamed"),
        ("///", "unnamed"),
    ],
)
def test_the_level_made_of_a_name_can_be_recognised(name: str, level: str) -> None:
    assert level_of(name) == level


def test_all_topics_of_a_device_lie_below_its_own_level() -> None:
    topics = Topics("porch", "acme/edge")
    assert topics.status == "acme/edge/porch/status"
    assert topics.info == "acme/edge/porch/info"
    assert topics.health == "acme/edge/porch/health"
    assert topics.gaps == "acme/edge/porch/gaps"
    assert topics.all_commands == "acme/edge/porch/cmd/+"
    assert topics.envelopes(Kind.RESULT, "door") == "acme/edge/porch/results/door"
    assert topics.latest("door") == "acme/edge/porch/latest/door"
    assert topics.snapshot("door") == "acme/edge/porch/snapshot/door"
    assert topics.response("ping") == "acme/edge/porch/res/ping"
