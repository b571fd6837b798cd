from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edge_infer.bundle.manifest import Decode
from edge_infer.errors import UsageError
from edge_infer.mqtt.broker import Broker
from edge_infer.pipeline_settings import ModelSettings, PipelineSettings
from edge_infer.settings import CommandSettings, DeviceSettings, HealthSettings, Settings
from edge_infer.sources.settings import CameraSettings, VideoSettings
from edge_infer.tuning import NAMES, live_part, tuned, values

DOOR = PipelineSettings(
    source=CameraSettings(uri="/dev/video0", fps=10.0),
    model=ModelSettings(path=Path("model")),
    decode=Decode(min_score=0.5),
)
NOW = Settings(version=1, device=DeviceSettings(id="porch"), mqtt=Broker(url="mqtt://here"), pipelines={"door": DOOR})


def test_what_is_named_is_changed_and_nothing_else() -> None:
    new = tuned(DOOR, {"min_score": 0.25, "allow": ["face"], "fps": 5, "snapshot_s": 2, "max_frame_age_s": 1})
    assert new == replace(
        DOOR,
        source=CameraSettings(uri="/dev/video0", fps=5.0),
        decode=Decode(min_score=0.25, allow=("face",)),
        snapshot_s=2.0,
        max_frame_age_s=1.0,
    )
    assert values(new, {"fps": 0, "min_score": 0, "snapshot_s": 0}) == {
        "fps": 5.0,
        "min_score": 0.25,
        "snapshot_s": 2.0,
    }


def test_null_takes_back_what_was_said() -> None:
    assert tuned(DOOR, {"min_score": None}).decode == Decode()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"min_scor": 0.5}, "`set` does not know 'min_scor', did you mean 'min_score'?"),
    ({"zzz": 0.5}, "`set` does not know 'zzz', there are min_score, max_results,"),
    ({"uri": "/dev/video1"}, "does not know 'uri'"),
    ({}, "`set` needs at least one of min_score,"),
    ({"min_score": 1.5}, "Expected `float` <= 1.0 - at `$.min_score`"),
    ({"max_results": 0}, "Expected `int` >= 1"),
    ({"max_results": "many"}, "Expected `int | null`, got `str`"),
    ({"max_frame_age_s": None}, "Expected `float`, got `null`"),
    ({"snapshot_s": 0}, "Expected `float` > 0.0"),
    ({"fps": 0}, "Expected `float` > 0.0"),
    ({"fps": 1001}, "Expected `float` <= 1000.0"),
    ({"allow": "face"}, "Expected `array | null`, got `str`"),
]


@pytest.mark.parametrize(("options", "said"), WRONG, ids=[str(options) for options, _ in WRONG])
def test_what_is_unknown_or_impossible_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        tuned(DOOR, options)
    assert said in str(refused.value)


def test_a_source_that_drops_nothing_has_no_rate() -> None:
    video = replace(DOOR, source=VideoSettings(uri=Path("clip.mp4")))
    assert tuned(video, {"min_score": 0.1}).source == video.source
    with pytest.raises(UsageError, match="a source of kind video has no fps"):
        tuned(video, {"fps": 5})


@given(
    st.dictionaries(
        st.sampled_from(NAMES) | st.text(max_size=5),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
        max_size=4,
    )
)
def test_whatever_is_asked_for_is_done_or_refused(options: dict[str, object]) -> None:
    try:
        new = tuned(DOOR, options)
    except UsageError:
        return
    assert set(options) <= set(NAMES)
    assert tuned(new, values(DOOR, options)) == DOOR


def test_what_is_live_is_taken_over_and_the_rest_is_named() -> None:
    new = replace(
        NOW,
        device=DeviceSettings(id="roof", state_dir=Path("state")),
        mqtt=Broker(url="mqtt://there"),
        health=HealthSettings(interval_s=2.0),
        commands=CommandSettings(allow=("ping", "set")),
        pipelines={"yard": DOOR},
    )
    taken, needs_restart = live_part(NOW, new)
    assert taken == replace(NOW, health=new.health, commands=new.commands, pipelines=new.pipelines)
    assert needs_restart == ["device.id", "device.state_dir", "mqtt.url"]
    assert live_part(NOW, NOW) == (NOW, [])
    assert live_part(NOW, replace(NOW, mqtt=None))[1] == ["mqtt"]
