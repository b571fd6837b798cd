"""What `auto` becomes: by what was measured here, else by rules."""

from pathlib import Path

import msgspec
import pytest
from evidenced import FACES, FACES_FILE, evidence, kept, pipeline, point
from msgspec.structs import replace
from tflite_writer import ADD, Graph, Op, Tensor, model_bytes

import edge_infer
from edge_infer.assigning import Assigned, assign
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.errors import ModelError
from edge_infer.evidence import read_evidence
from edge_infer.pipeline_settings import CascadeSettings, ModelSettings, PipelineSettings
from edge_infer.pipelines import Pipelines
from edge_infer.registry import load_model
from edge_infer.sources.settings import StillSettings

pytestmark = pytest.mark.usefixtures("four_cores")


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("assigning", "sharing"):
        monkeypatch.setattr(f"edge_infer.{module}.cores", lambda: 4)


def setting(assigned: Assigned) -> tuple[int, int]:
    return assigned.threads, assigned.workers


def test_without_figures_the_profile_and_the_size_decide(tmp_path: Path) -> None:
    settings = {
        "soon": pipeline(),
        "many": pipeline(profile="throughput", device="cpu"),
        "said": pipeline(threads=1, workers=1),
    }
    found = assign(settings, read_evidence(tmp_path))
    assert {name: setting(one) for name, one in found.items()} == {"soon": (2, 1), "many": (1, 1), "said": (1, 1)}
    assert found["soon"].because == "latency, by rule: `edge-infer tune` would measure"
    assert found["said"].because == ""


def test_figures_decide_and_are_named(tmp_path: Path) -> None:
    kept(tmp_path, {FACES_FILE: evidence(point(1, 1, 9.0, 100), point(3, 1, 4.0, 120), point(1, 3, 11.0, 250))})
    known = read_evidence(tmp_path)
    soon, many = assign({"a": pipeline()}, known)["a"], assign({"a": pipeline(profile="throughput")}, known)["a"]
    assert (setting(soon), setting(many)) == ((3, 1), (1, 3))
    assert soon.point == point(3, 1, 4.0, 120)
    assert "latency, measured" in soon.because
    assert "with noise" in soon.because


def test_what_is_configured_wins_over_figures(tmp_path: Path) -> None:
    kept(tmp_path, {FACES_FILE: evidence(point(1, 1, 9.0, 100), point(3, 1, 4.0, 120))})
    found = assign({"a": pipeline(threads=2, workers=2)}, read_evidence(tmp_path))["a"]
    assert (setting(found), found.because) == ((2, 2), "")


def test_a_model_that_cannot_be_read_gets_the_least(tmp_path: Path) -> None:
    settings = pipeline(tmp_path / "none", profile="throughput")
    assert setting(assign({"a": settings}, read_evidence(tmp_path))["a"]) == (1, 1)


def test_the_second_model_of_a_cascade_has_the_threads_of_the_first(tmp_path: Path) -> None:
    settings = replace(pipeline(), cascade=CascadeSettings(model=ModelSettings(path=FACES)))
    used = assign({"a": settings}, read_evidence(tmp_path))["a"].applied(settings)
    assert used.cascade
    assert (used.model.threads, used.cascade.model.threads) == (4, 4)
    said = replace(settings, cascade=CascadeSettings(model=ModelSettings(path=FACES, threads=1)))
    used = assign({"a": said}, read_evidence(tmp_path))["a"].applied(said)
    assert used.cascade
    assert used.cascade.model.threads == 1


def test_a_model_that_remembers_has_one_worker_unless_that_is_asked_for_which_is_an_error(tmp_path: Path) -> None:
    side = (1, 2, 2, 3)
    tensors = [Tensor(name, side) for name in ("image", "state_in", "state_out")]
    graph = Graph(tensors, ["image", "state_in"], ["state_out"], [Op(ADD, ["image", "state_in"], ["state_out"])])
    path = tmp_path / "remembers.tflite"
    path.write_bytes(model_bytes(graph))
    settings = replace(
        pipeline(path, profile="throughput"), prepare=Prepare(mean=(0.0,), std=(1.0,)), decode=Decode(kind="tensors")
    )
    assert setting(assign({"a": settings}, read_evidence(tmp_path))["a"]) == (1, 1)
    asked = replace(settings, model=replace(settings.model, workers=2))
    assert setting(assign({"a": asked}, read_evidence(tmp_path))["a"]) == (1, 2)
    with pytest.raises(ModelError, match=r"remembers what it saw before: .* set workers: 1"):
        load_model(asked)


def test_load_takes_auto_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    seen: list[int] = []

    def runtime(*_: object, threads: int, **_options: object) -> None:
        seen.append(threads)
        raise ModelError("far enough")

    monkeypatch.setattr("edge_infer.placement.InterpreterRuntime", runtime)
    for _ in range(2):
        with pytest.raises(ModelError, match="far enough"):
            edge_infer.load(FACES, device="cpu", threads="auto")
        kept(tmp_path, {FACES_FILE: evidence(point(1, 1, 9.0, 100), point(3, 1, 4.0, 120))})
    assert seen == [4, 3]


def test_a_pipeline_starts_anew_where_its_share_changes_and_others_do_not(tmp_path: Path) -> None:
    settings = {"a": pipeline(), "b": pipeline(threads=1, workers=1)}
    pipelines = Pipelines(settings, *(lambda *_: None,) * 3, state_dir=tmp_path)
    more = {**settings, "c": pipeline()}
    plan = pipelines._plan(more, assign(more, read_evidence(tmp_path)))
    assert plan == {"started": ["c"], "ended": [], "restarted": ["a"], "unchanged": ["b"]}


def test_settings_with_a_still_source_can_be_assigned(tmp_path: Path) -> None:
    settings = PipelineSettings(source=StillSettings(uri=FACES / "sample.jpg"), model=ModelSettings(path=FACES))
    used = assign({"a": settings}, read_evidence(tmp_path))["a"].applied(settings)
    assert msgspec.structs.replace(used, model=settings.model) == settings
