"""scripts/bench-peers: its arithmetic, and one short round of it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from bench_peers import machine
from bench_peers.comparison import order
from bench_peers.contenders import CONTENDERS, NAMES, Environment
from bench_peers.environments import CannotBeMadeError, python_of
from bench_peers.figures import Ratio, rows, same, table
from bench_peers.pictures import filling, ring
from bench_peers.running import FailedError, Turn, Worker
from bench_peers.subjects import SCENE, subjects
from bench_peers.workers import by_hand_yolo
from bench_peers.workers.by_hand import described
from bench_peers.workers.coral_flow import get_classes, get_objects, set_resized_input
from bench_peers.workers.steps import SIDE
from bench_peers.workers.turns import RING, Camera, Given
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.errors import UsageError
from edge_infer.tools.local_broker import find_mosquitto
from edge_infer.types import Array

REPOSITORY = Path(__file__).resolve().parents[2]


def turn(number: int, fps: float, cpu_seconds: float = 1.0) -> Turn:
    return Turn(number, round(fps), 1.0, 0, cpu_seconds, 1.0, 2.0, 3.0, 0.0, True)


def test_a_ratio_is_of_the_rounds_that_both_had() -> None:
    ours, loop = [turn(0, 200), turn(1, 90), turn(2, 100)], [turn(0, 100), turn(2, 50), turn(3, 1)]
    assert Ratio.of(ours, loop) == Ratio(2.0, 2.0, 2.0)
    assert Ratio.of(ours, [turn(4, 10)]) is None
    assert Ratio.of(ours, [turn(0, 0)]) is None


@given(st.lists(st.tuples(st.integers(1, 10_000), st.integers(1, 10_000)), min_size=1))
def test_a_slower_machine_in_one_round_changes_no_ratio_of_that_round(pairs: list[tuple[int, int]]) -> None:
    above = [turn(number, one) for number, (one, _) in enumerate(pairs)]
    below = [turn(number, other) for number, (_, other) in enumerate(pairs)]
    slowed = Ratio.of([turn(t.round, t.frames * 3) for t in above], [turn(t.round, t.frames * 3) for t in below])
    assert slowed == pytest.approx(Ratio.of(above, below)) or str(slowed) == str(Ratio.of(above, below))


def test_a_row_has_medians_and_the_ratio_to_its_own_base() -> None:
    turns = {"bare": [turn(0, 100)], "ours": [turn(0, 80, 2.0)], "frigate": [turn(0, 40)], "gone": []}
    bases = {"bare": "bare", "ours": "bare", "frigate": "bare", "gone": "bare"}
    found = {row.name: row for row in rows(turns, bases, dict.fromkeys(turns, 50.0))}
    assert "gone" not in found
    assert found["ours"].of_base == Ratio(0.8, 0.8, 0.8)
    assert found["ours"].cpu_ms == 25.0
    assert found["frigate"].ours == {"ours": Ratio(2.0, 2.0, 2.0), "ours-2": None}
    lines = table(list(found.values()), "bare").splitlines()
    assert len(lines) == 2 + len(found)
    assert len({line.count("|") for line in lines}) == 1


def test_answers_are_the_same_where_labels_are_and_ties_are_no_difference() -> None:
    cat, dog = {"label": "cat", "score": 0.6}, {"label": "dog", "score": 0.595}
    assert same({"0": [cat]}, {"0": [cat, dog]}) == {"pictures": 1, "same_best": 1, "same_labels": 0, "results": 2}
    assert same({"0": [cat, dog]}, {"0": [dog]})["same_best"] == 1
    assert same({"0": [cat]}, {"0": []})["same_best"] == 0
    assert same({"0": []}, {"0": []})["same_best"] == 1


def test_each_has_one_turn_a_round_and_the_order_changes() -> None:
    names = ["a", "b", "c", "d"]
    turns = list(order(names, 6, "test"))
    assert [number for number, _ in turns] == [number for number in range(6) for _ in names]
    rounds = [tuple(name for number, name in turns if number == each) for each in range(6)]
    assert all(sorted(each) == names for each in rounds)
    assert len(set(rounds)) > 1


def test_each_contender_is_named_once_for_a_kind_and_has_its_base_there() -> None:
    for kind in {kind for contender in CONTENDERS for kind in contender.kinds}:
        names = [contender.name for contender in CONTENDERS if kind in contender.kinds]
        assert len(names) == len(set(names))
        assert {contender.base for contender in CONTENDERS if kind in contender.kinds} <= set(names)


def test_an_environment_that_cannot_be_made_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(CannotBeMadeError, match=r"needs Python 3\.0 or older"):
        python_of(Environment("ancient", (), 1, newest=0))


def test_memory_lies_between_what_is_private_and_what_is_resident() -> None:
    here = psutil.Process()
    private, resident = here.memory_full_info().uss / 2**20, here.memory_info().rss / 2**20
    assert private * 0.9 < machine.memory_mb(here.pid) < resident * 1.1


def test_the_ring_shows_the_test_data_or_else_noise(tmp_path: Path) -> None:
    frames, seen = ring(tmp_path)
    assert (frames.shape, frames.dtype) == ((RING, 480, 640, 3), np.uint8)
    assert "noise" in seen
    assert not np.array_equal(frames[0], frames[2]), "the noise of a sensor is new on each frame"


@pytest.mark.parametrize("size", [(100, 900), (1280, 720), (640, 480), (33, 7)])
def test_a_picture_of_any_shape_fills_a_frame(size: tuple[int, int]) -> None:
    assert filling(np.zeros((size[1], size[0], 3), np.uint8)).shape == (480, 640, 3)


def test_a_camera_gives_numbered_copies_while_it_may(tmp_path: Path) -> None:
    frames = np.arange(RING, dtype=np.uint8).reshape(RING, 1, 1, 1)
    np.save(tmp_path / "frames.npy", frames)
    go = threading.Event()
    go.set()
    camera = Camera(str(tmp_path / "frames.npy"), 1000.0, go)
    taken = [camera.read() for _ in range(RING + 2)]
    assert [number for number, _ in taken] == list(range(RING + 2))
    assert [int(frame[0, 0, 0]) for _, frame in taken] == [*range(RING), 0, 1]
    taken[0][1][:] = 99
    assert int(taken[RING][1][0, 0, 0]) == 0, "each frame lies in memory of its own"
    go.clear()
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(camera.tick()), daemon=True)
    thread.start()
    assert not later
    go.set()
    thread.join(10.0)
    assert later == [RING + 2]


def test_objects_by_hand_are_those_above_the_threshold_in_pixels() -> None:
    boxes, classes, scores = [[0.0, 0.25, 0.5, 0.75], [0, 0, 1, 1]], [1.0, 0.0], [0.5, 0.49]
    found = described(boxes, classes, scores, ("person", "cat"), (640, 480))
    assert found == [{"label": "cat", "score": 0.5, "box": [160.0, 0.0, 480.0, 240.0]}]


class Outputs:
    """What an interpreter has in its tensors."""

    def __init__(
        self, shape: tuple[int, ...], outputs: list[Array], quantization: tuple[float, int] = (0.0, 0)
    ) -> None:
        self.input = np.full(shape, 7, np.uint8)
        self._outputs = outputs
        self._quantization = quantization

    def get_input_details(self) -> list[dict[str, object]]:
        return [{"index": 0, "shape": self.input.shape}]

    def tensor(self, index: int) -> Callable[[], Array]:
        return lambda: self.input

    def get_output_details(self) -> list[dict[str, object]]:
        return [
            {"index": index, "dtype": output.dtype, "quantization": self._quantization}
            for index, output in enumerate(self._outputs)
        ]

    def get_tensor(self, index: int) -> Array:
        return self._outputs[index]


def test_pycoral_places_the_picture_at_the_top_left_and_finds_it_there() -> None:
    boxes = np.array([[[0.0, 0.0, 0.75, 1.0]]])
    interpreter = Outputs((1, 300, 300, 3), [boxes, np.array([[16.0]]), np.array([[0.5]]), np.array([1.0])])
    scale = set_resized_input(interpreter, np.full((480, 640, 3), 200, np.uint8))
    assert scale == 300 / 640
    assert (interpreter.input[0, :225] == 200).all()
    assert (interpreter.input[0, 225:] == 0).all()
    (found,) = get_objects(interpreter, 0.5, scale)
    assert (found.id, found.score, tuple(found.bbox)) == (16, 0.5, (0, 0, 640, 480))
    assert get_objects(interpreter, 0.51, scale) == []


def test_pycoral_classes_are_real_scores_with_the_best_first() -> None:
    interpreter = Outputs((1, 8, 8, 3), [np.array([[3, 200, 5, 90]], np.uint8)], (1 / 256, 0))
    assert [(one.id, one.score) for one in get_classes(interpreter, 2)] == [(1, 200 / 256), (3, 90 / 256)]


def test_yolo_by_hand_finds_the_objects_of_the_scene_that_is_decoded(tmp_path: Path) -> None:
    (step,) = subjects(["decode"], tmp_path, tmp_path)
    said = np.load(step.file)
    quantisation = float(said["scale"]), int(said["zero_point"])
    found = by_hand_yolo.objects(said["output"][0], quantisation, (SIDE, SIDE))
    assert len(found[0]) == SCENE[1]


def test_a_model_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no model yolo99"):
        subjects(["yolo99"], tmp_path, tmp_path)


def test_a_contender_that_does_not_start_is_reported_with_its_reason(tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", ring(tmp_path)[0])
    contender = next(each for each in CONTENDERS if each.name == "bare")
    missing = Given(str(tmp_path / "no.tflite"), "raw", (), str(tmp_path / "frames.npy"), "", 0.0, contender.options)
    with pytest.raises(FailedError, match=r"no\.tflite"):
        Worker.start(contender, missing, tmp_path)


@pytest.mark.skipif(find_mosquitto() is None, reason="needs mosquitto: apt install mosquitto")
@pytest.mark.parametrize(("names", "options"), [("ours,ours-2,loop", []), ("ours,loop", ["--fps", "100"])])
def test_a_short_round_compares_ours_with_the_loop_by_hand(tmp_path: Path, names: str, options: list[str]) -> None:
    report = tmp_path / "report.json"
    short = [
        "--rounds",
        "1",
        "--seconds",
        "0.2",
        "--patience",
        "0",
        "--only",
        names,
        "--json",
        str(report),
    ]
    folders = {"EDGE_INFER_TESTDATA": str(tmp_path), "TMPDIR": str(tmp_path)}
    environment = os.environ | folders | {"PYTHONPATH": str(REPOSITORY / "scripts")}
    ran = subprocess.run(
        [sys.executable, "-m", "bench_peers", *short, *options, "--models", "face-detection"],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stderr
    (found,) = json.loads(report.read_text())["models"]
    assert found["absent"] == {}
    assert {row["name"]: row["fps"] > 0 for row in found["rows"]} == dict.fromkeys(found["turns"], True)
    assert set(found["answers"]) == set(names.split(","))
    assert all(said["pictures"] > 0 for said in found["answers"].values())
    assert "| ours | " in ran.stdout
    assert list(tmp_path.iterdir()) == [report], "nothing is left behind"


def test_help_names_every_contender() -> None:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "scripts")}
    ran = subprocess.run(
        [sys.executable, "-m", "bench_peers", "--help"], env=environment, capture_output=True, text=True
    )
    assert all(name in ran.stdout.replace("\n", " ") for name in NAMES)


def test_a_contender_that_ends_between_turns_is_reported_and_leaves_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", ring(tmp_path)[0])
    contender = next(each for each in CONTENDERS if each.name == "bare")
    (subject,) = subjects(["face-detection"], tmp_path, tmp_path)
    frames = str(tmp_path / "frames.npy")
    worker = Worker.start(contender, Given(subject.file, "raw", (), frames, "", 0.0, contender.options), tmp_path)
    try:
        assert worker.take_turn(0, 0.05, 0.0, os.getpid()).frames > 0
        worker.process.kill()
        with pytest.raises(FailedError, match="it ended"):
            worker.take_turn(1, 0.05, 0.0, os.getpid())
    finally:
        worker.end()
    assert worker.process.returncode == -9
    assert len(worker.turns) == 1
