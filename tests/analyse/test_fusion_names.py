import pytest

from edge_infer import config
from edge_infer.analyse.fusion_names import unknown_labels
from edge_infer.analyse.fusion_settings import FusionSettings, Reference
from edge_infer.errors import ConfigError
from edge_infer.settings import Settings

PIPELINES = """
version: 1
device: {id: porch}
pipelines:
  yard:
    source: {kind: still, uri: a.png}
    model: {path: m}
    zones: {gate: {polygon: [[0, 0], [1, 0], [1, 1]]}}
    lines: {fence: {points: [[0, 0], [1, 1]], directions: [in, out]}}
  mic: {source: {kind: still, uri: a.png}, model: {path: m}, events: {}}
  quiet: {source: {kind: still, uri: a.png}, model: {path: m}}
  few: {source: {kind: still, uri: a.png}, model: {path: m}, events: {kinds: [zone], labels: [car]}}
  cars: {source: {kind: still, uri: a.png}, model: {path: m}, events: {labels: [car]}}
fusions:
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yard/person", Reference("yard", "person")),
        ("mic/Chink, clink", Reference("mic", "Chink, clink")),
        ("mic/a/b", Reference("mic", "a/b")),
        ("yard/zone:gate/person", Reference("yard", "person", "zone", "gate")),
        ("yard/line:fence/*", Reference("yard", "*", "line", "fence")),
        ("yard/line:fence:in/person", Reference("yard", "person", "line", "fence", "in")),
    ],
)
def test_a_reference_names_a_pipeline_a_place_and_a_label(text: str, expected: Reference) -> None:
    assert Reference.of(text) == expected


@pytest.mark.parametrize(
    "text", ["yard", "yard/", "/person", "", "yard/zone:gate", "yard/zone:/person", "yard/line:a/"]
)
def test_what_names_no_event_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no event: write pipeline/label"):
        Reference.of(text)


def test_all_places_of_a_pipeline_may_be_named() -> None:
    names = "[yard/person, yard/zone:gate/person, 'yard/line:fence:in/*', mic/glass]"
    settings = config.parse(PIPELINES + f"  intruder: {{all_of: {names}, within_s: 3}}\n", Settings)
    assert settings.fusions["intruder"].within_s == 3.0


WRONG = {
    "a pipeline that is not there": (
        "x: {all_of: [yrd/person]}",
        "fusions.x.all_of: there is no pipeline 'yrd', did you mean 'yard'?",
    ),
    "a pipeline without events": ("x: {any_of: [quiet/person]}", "quiet tells no events, add `events: {}` to it"),
    "what a pipeline does not tell": (
        "x: {any_of: [few/car]}",
        "few does not tell such events: add anomaly or class or object to its events.kinds",
    ),
    "a label that it leaves out": (
        "x: {any_of: [cars/cat]}",
        "cars tells nothing of 'cat': add it to its events.labels",
    ),
    "a zone that is not there": ("x: {all_of: [yard/zone:gat/person]}", "has no zone 'gat', did you mean 'gate'?"),
    "a line in a pipeline without": ("x: {all_of: ['mic/line:fence/person']}", "mic has no line 'fence'"),
    "a direction that is not there": (
        "x: {all_of: ['yard/line:fence:up/person']}",
        "the directions of the line 'fence' are in and out, not 'up'",
    ),
    "a direction of a zone": ("x: {all_of: ['yard/zone:gate:in/person']}", "a zone has no directions"),
    "the name of a pipeline": ("mic: {all_of: [yard/person]}", "fusions.mic: a pipeline has this name already"),
    "nothing": ("x: {within_s: 3}", "fusions.x: nothing can happen: name events in all_of or any_of"),
    "an order of one": ("x: {all_of: [yard/person], in_order: true}", "in_order is about two or more events"),
    "what is no reference": ("x: {none_of: [person], all_of: [yard/person]}", "'person' is no event"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_a_configuration_that_cannot_happen_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.parse(f"{PIPELINES}  {text}\n", Settings)
    assert message in str(caught.value)


def test_a_label_that_a_model_does_not_have_is_named_with_the_nearest() -> None:
    fusions = {"x": FusionSettings(all_of=("yard/persn", "mic/glass", "mic/*")), "y": FusionSettings(any_of=("mic/a",))}
    assert unknown_labels(fusions, {"yard": ("person", "cat"), "mic": ()}) == {
        "x": "fusions.x.all_of: the model of yard has no label 'persn', did you mean 'person'?"
    }
