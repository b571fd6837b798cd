"""Events of several pipelines, told by their threads, become events of fusions."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from waiting import DEADLINE

from edge_infer import config
from edge_infer.analyse.fusion_settings import FusionSettings
from edge_infer.errors import ConfigError
from edge_infer.fusing import Fusing
from edge_infer.settings import Settings
from edge_infer.tools.check import findings
from edge_infer.types import Event

FACES = Path(__file__).resolve().parents[1] / "models/face-detection"
PAIR = FusionSettings(all_of=("yard/person", "mic/glass"))


def happening(label: str, number: int, phase: str = "start") -> Event:
    now, now_ns = time.time(), time.monotonic_ns()
    return Event(f"{label}-{number}", phase, "object", label, now, now_ns, now)  # type: ignore[arg-type]


class Told(list[tuple[str, str, str]]):
    """Name, phase and reason of what was published."""

    def __call__(self, event: Event, name: str) -> None:
        self.append((name, event.phase, event.reason))


def model(*labels: str, task: str = "detect") -> Any:
    return SimpleNamespace(task=task, recipe=SimpleNamespace(labels=labels))


def test_each_fusion_is_told_under_its_own_name_and_ends_with_the_daemon() -> None:
    told = Told()
    fusing = Fusing({"intruder": PAIR, "noise": FusionSettings(any_of=("mic/*",))}, told)
    fusing(happening("person", 1), "yard")
    assert told == []
    fusing(happening("glass", 1), "mic")
    assert told == [("intruder", "start", ""), ("noise", "start", "")]
    fusing.turn()
    fusing.end()
    assert told[2:] == [("intruder", "end", "stopped"), ("noise", "end", "stopped")]


def test_a_reload_ends_what_is_different_and_leaves_alone_what_is_not() -> None:
    told = Told()
    noise = FusionSettings(any_of=("mic/*",))
    fusing = Fusing({"intruder": PAIR, "noise": noise}, told)
    fusing(happening("person", 1), "yard")
    fusing(happening("glass", 1), "mic")
    told.clear()
    fusing.change({"intruder": FusionSettings(all_of=("yard/person",)), "noise": noise})
    assert told == [("intruder", "end", "stopped")]
    fusing(happening("person", 2), "yard")
    assert told[1:] == [("intruder", "start", "")]


def test_many_threads_may_tell_and_each_start_has_its_end() -> None:
    told = Told()
    fusing = Fusing({"intruder": FusionSettings(all_of=("yard/person", "mic/glass"), within_s=0.001)}, told)

    def tell(pipeline: str, label: str) -> None:
        for number in range(50):
            fusing(happening(label, number), pipeline)
            fusing(happening(label, number, "end"), pipeline)
            fusing.turn()

    threads = [threading.Thread(target=tell, args=pair) for pair in (("yard", "person"), ("mic", "glass"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    fusing.end()
    phases = [phase for _, phase, _ in told if phase != "update"]
    assert phases == ["start", "end"] * (len(phases) // 2)


def test_a_turn_does_not_wait_for_a_slow_disk() -> None:
    inside, go_on = threading.Event(), threading.Event()

    def publish(_event: Event, _name: str) -> None:
        inside.set()
        assert go_on.wait(DEADLINE)

    fusing = Fusing({"noise": FusionSettings(any_of=("mic/*",))}, publish)
    thread = threading.Thread(target=fusing, args=(happening("glass", 1), "mic"))
    thread.start()
    assert inside.wait(DEADLINE)
    fusing.turn()  # returns
    go_on.set()
    thread.join(DEADLINE)


def test_labels_that_a_loaded_model_does_not_have_are_known() -> None:
    fusing = Fusing({"intruder": PAIR}, Told())
    assert fusing.unknown({}) == {}
    assert fusing.unknown({"yard": model("person"), "mic": model("", "glass")}) == {}
    assert fusing.unknown({"yard": model("persona", "cat")}) == {
        "intruder": "fusions.intruder.all_of: the model of yard has no label 'person', did you mean 'persona'?"
    }
    assert fusing.unknown({"yard": model("a", task="embed")}) == {}  # of a gallery


@pytest.mark.parametrize(("label", "code"), [("face", 0), ("fase", ConfigError.exit_code)])
def test_check_finds_labels_that_the_models_do_not_have(label: str, code: int, tmp_path: Path) -> None:
    if not FACES.exists():
        pytest.skip("no model: run scripts/build-models")
    text = f"""
version: 1
device: {{id: porch, state_dir: {tmp_path}}}
pipelines:
  yard: {{source: {{kind: still, uri: {FACES}/sample.jpg}}, model: {{path: {FACES}}}, events: {{}}}}
fusions: {{both: {{any_of: [yard/{label}]}}}}
"""
    (found,) = [finding for finding in findings(config.parse(text, Settings)) if finding.what == "fusions"]
    assert found.exit_code == code
    assert ("did you mean 'face'?" in found.detail) == bool(code)
