from pathlib import Path
from typing import Annotated

import hypothesis.strategies as st
import msgspec
import pytest
import yaml
from example_settings import Camera, Folder, Mqtt, Pipeline, Region, Settings
from hypothesis import given, settings
from msgspec import Meta, Struct, field

from edge_infer import config
from edge_infer.errors import ConfigError

TEXT = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    [
        "on",
        "12",
        "null",
        "~",
        "",
        "a: b",
        "# x",
        "- x",
        "a\nb",
        "2026-01-01",
        "1e5",
        "=",
        "<<",
        "&a",
        "'",
        '"',
        "ä, [x]",
        "long " * 99 + "end",
    ]
)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
PATH = TEXT.filter(lambda text: text and "\0" not in text).map(Path)
SOURCE = st.builds(
    Camera,
    uri=TEXT,
    size=st.tuples(st.integers(), st.integers()),
    fps=st.floats(0, 120, exclude_min=True),
) | st.builds(Folder, path=PATH, patterns=st.lists(TEXT, max_size=3))
PIPELINE = st.builds(
    Pipeline,
    source=SOURCE,
    threads=st.just("all") | st.integers(min_value=1),
    device=st.sampled_from(["auto", "cpu", "on"]),
    min_score=st.none() | st.floats(0, 1),
    regions=st.lists(st.builds(Region, name=TEXT, box=st.none() | st.lists(NUMBER, max_size=3).map(tuple)), max_size=2),
    live=st.booleans(),
)
SETTINGS = st.builds(
    Settings,
    version=st.just(1),
    device=st.from_regex(r"\A[^+#/\ud800-\udfff]*\Z"),
    mqtt=st.none() | st.builds(Mqtt, url=TEXT, password=st.none() | TEXT),
    pipelines=st.dictionaries(TEXT.filter(lambda name: 1 <= len(name) <= 20), PIPELINE, max_size=3),
    labels=st.dictionaries(TEXT, st.integers(), max_size=3),
    data=PATH,
)


@settings(max_examples=150, deadline=None)
@given(SETTINGS)
def test_what_is_rendered_parses_to_the_same_value(value: Settings) -> None:
    assert config.parse(config.render(value), Settings) == value


def test_each_key_stands_under_its_description_and_choices() -> None:
    value = Settings(version=1, device="porch", pipelines={"door": Pipeline(source=Camera(uri="0"), min_score=0.5)})
    assert config.render(value) == (
        "version: 1\n"
        "# the device's name (text that matches ^[^+#/]*$)\n"
        "device: porch\n"
        "# mqtt: {url: 'mqtts://broker.local'}\n"
        "pipelines:\n"
        "  door:\n"
        "    # where frames come from (kind: camera or kind: folder)\n"
        "    source:\n"
        "      kind: camera\n"
        "      # device or address\n"
        "      uri: '0'\n"
        "      # width, height\n"
        "      size: [640, 480]\n"
        "      # frames a second (a number > 0 and <= 120)\n"
        "      fps: 10.0\n"
        "    # (a whole number >= 1 or all)\n"
        "    threads: 1\n"
        "    # (one of auto, cpu, on)\n"
        "    device: auto\n"
        "    # report >= this (a number >= 0 and <= 1)\n"
        "    min_score: 0.5\n"
        "    regions: []\n"
        "    live: true\n"
        "labels: {}\n"
        "data: /var/lib/edge\n"
    )


def test_a_struct_with_nothing_set_stays_a_mapping() -> None:
    class Options(Struct, frozen=True):
        a: int | None = None

    class Outer(Struct, frozen=True):
        maybe: Options | None
        several: list[Options]

    assert config.render(Options()) == "# a:\n{}\n"
    value = Outer(maybe=Options(), several=[Options()])
    assert config.parse(config.render(value), Outer) == value


def test_a_section_in_which_nothing_is_set_is_a_comment_that_can_be_uncommented() -> None:
    class Options(Struct, frozen=True):
        a: int | None = None

    class Outer(Struct, frozen=True):
        first: Options = Options()
        second: Options = field(default_factory=Options)
        b: int = 1

    text = config.render(Outer())
    assert text == "# first:\n#   # a:\n# second:\n#   # a:\nb: 1\n"
    uncommented = text.replace("# first:\n#   # a:", "first:\n  a: 2")
    assert config.parse(uncommented, Outer) == Outer(first=Options(a=2))


def test_none_is_written_where_it_is_not_the_default() -> None:
    class Options(Struct, frozen=True):
        a: int | None = 3

    assert config.render(Options(a=None)) == "a: null\n"


def test_a_renamed_field_has_the_same_name_in_both_directions() -> None:
    class Options(Struct, frozen=True, rename="kebab"):
        min_score: float = 0.5

    assert config.render(Options()) == "min-score: 0.5\n"
    assert config.parse("min-score: 1", Options) == Options(min_score=1.0)


def test_a_sample_shows_one_of_everything_and_loads() -> None:
    value = config.parse(config.sample(Settings), Settings)
    assert value.device == "porch"
    assert value.pipelines == {"door": Pipeline(source=Camera(uri="/dev/video0"))}


def test_a_sample_of_a_struct_without_examples_says_which_key_lacks_one() -> None:
    class Options(Struct):
        name: Annotated[str, Meta(description="no example")]

    with pytest.raises(ConfigError, match=r"<sample of Options>.*name is missing: expected text"):
        config.sample(Options)


def test_secrets_are_masked_and_the_files_that_hold_them_are_shown() -> None:
    shown = config.render(Mqtt(url="mqtts://me:4711@broker:8883/x", password="4711"), mask=True)
    assert "4711" not in shown
    assert "url: 'mqtts://me:***@broker:8883/x'" in shown or "url: mqtts://me:***@broker:8883/x" in shown
    assert "password_file: mqtt.pw" in config.render(Mqtt(url="x", password_file=Path("mqtt.pw")), mask=True)


def test_secrets_in_lists_and_maps_are_masked_too() -> None:
    class Keys(Struct):
        tokens: dict[str, list[str]]
        addresses: list[str]

    shown = config.render(Keys(tokens={"a": ["4711"]}, addresses=["rtsp://me:4711@porch"]), mask=True)
    assert "4711" not in shown
    assert "rtsp://me:***@porch" in shown


def test_pyyaml_reads_the_rendered_text_as_the_same_plain_values() -> None:
    value = config.parse(config.sample(Settings), Settings)
    read = yaml.safe_load(config.render(value))
    written = msgspec.json.decode(msgspec.json.encode(value, enc_hook=str))
    assert read["pipelines"]["door"]["source"] == written["pipelines"]["door"]["source"]


def test_the_schema_names_every_key_with_its_description() -> None:
    definitions = config.schema(Settings)["$defs"]
    assert set(definitions) == {"Settings", "Mqtt", "Pipeline", "Camera", "Folder", "Region"}
    assert definitions["Camera"]["properties"]["fps"] == {
        "type": "number",
        "description": "frames a second",
        "exclusiveMinimum": 0,
        "maximum": 120,
        "default": 10.0,
    }
    assert definitions["Folder"]["properties"]["path"] == {"type": "string"}
    assert definitions["Camera"]["additionalProperties"] is False
