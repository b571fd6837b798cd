"""PoseNet against a plain reading of decode_multiple_poses.ts and decode_pose.ts of tfjs-models/posenet."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_infer.decode.landmarks_names import BODY_17
from edge_infer.decode.posenet import PoseNetDecoder, PoseNetOpDecoder, PoseNetSingleDecoder
from edge_infer.decode.posenet_fields import EDGES, Heads, stride_of
from edge_infer.types import Array, Geometry, Size, TensorSpec

FLOAT = np.dtype(np.float32)
GRID, STRIDE = (9, 7), 16
SIZE = ((GRID[1] - 1) * STRIDE + 1, (GRID[0] - 1) * STRIDE + 1)
SAME = Geometry(SIZE, SIZE)
HEADS = Heads(0, 1, 2, 3)
CHANNELS = (17, 34, 32, 32)
CHAIN = [
    ("nose", "left_eye"),
    ("left_eye", "left_ear"),
    ("nose", "right_eye"),
    ("right_eye", "right_ear"),
    ("nose", "left_shoulder"),
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("left_shoulder", "left_hip"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("nose", "right_shoulder"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("right_shoulder", "right_hip"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
]


def specs(channels: tuple[int, ...] = CHANNELS) -> list[TensorSpec]:
    return [TensorSpec(f"o{i}", (1, *GRID, c), FLOAT) for i, c in enumerate(channels)]


class Reference:
    """Points as [y, x]; lists and loops only."""

    def __init__(self, scores: Array, offsets: Array, forward: Array, backward: Array) -> None:
        self.scores, self.offsets, self.forward, self.backward = scores, offsets, forward, backward

    def image_point(self, y: int, x: int, part: int) -> list[float]:
        return [y * STRIDE + self.offsets[y, x, part], x * STRIDE + self.offsets[y, x, part + 17]]

    def cell(self, point: list[float]) -> tuple[int, int]:
        y, x = (math.floor(v / STRIDE + 0.5) for v in point)
        return min(max(y, 0), GRID[0] - 1), min(max(x, 0), GRID[1] - 1)

    def follow(self, edge: int, point: list[float], target: int, fields: Array) -> tuple[list[float], float]:
        y, x = self.cell(point)
        displaced = [point[0] + fields[y, x, edge], point[1] + fields[y, x, edge + 16]]
        y, x = self.cell(displaced)
        return self.image_point(y, x, target), float(self.scores[y, x, target])

    def person(self, y: int, x: int, part: int) -> list[tuple[list[float], float]]:
        known = {part: (self.image_point(y, x, part), float(self.scores[y, x, part]))}
        for edge in range(15, -1, -1):
            parent, child = map(BODY_17.index, CHAIN[edge])
            if child in known and parent not in known:
                known[parent] = self.follow(edge, known[child][0], parent, self.backward)
        for edge in range(16):
            parent, child = map(BODY_17.index, CHAIN[edge])
            if parent in known and child not in known:
                known[child] = self.follow(edge, known[parent][0], child, self.forward)
        return [known[i] for i in range(17)]

    def people(self, most: int) -> list[tuple[float, list[tuple[list[float], float]]]]:
        queue = []
        for y in range(GRID[0]):
            for x in range(GRID[1]):
                for part in range(17):
                    score = self.scores[y, x, part]
                    around = self.scores[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2, part]
                    if score >= 0.5 and score >= around.max():
                        queue.append((-float(score), y, x, part))
        found: list[tuple[float, list[tuple[list[float], float]]]] = []
        for _, y, x, part in sorted(queue):
            if len(found) == most:
                break
            root = self.image_point(y, x, part)
            if any(self.near(person[part][0], root) for _, person in found):
                continue
            person = self.person(y, x, part)
            own = [s for i, (p, s) in enumerate(person) if not any(self.near(q[i][0], p) for _, q in found)]
            found.append((sum(own) / 17, person))
        return found

    @staticmethod
    def near(one: list[float], other: list[float]) -> bool:
        return (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 <= 400


def test_the_tree_is_the_published_one() -> None:
    assert [(BODY_17[parent], BODY_17[child]) for parent, child in EDGES] == CHAIN


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), sharpness=st.sampled_from([0.02, 0.1, 0.5]), both=st.booleans())
def test_people_are_those_that_a_plain_reading_of_the_published_decoder_finds(
    seed: int, sharpness: float, both: bool
) -> None:
    random = np.random.default_rng(seed)
    scores = np.where(random.random((*GRID, 17)) < sharpness, random.random((*GRID, 17)), 0.1).astype(np.float32)
    fields = [random.normal(0, 12, (*GRID, c)).astype(np.float32) for c in CHANNELS[1:]]
    outputs = [scores[None], *(field[None] for field in fields)]
    heads, kinds = HEADS, specs()
    if both:  # one output with forward before backward displacements
        heads, kinds = Heads(0, 1, 2, 2), specs((17, 34, 64))
        outputs = [*outputs[:2], np.concatenate(outputs[2:], axis=3)]
    found = PoseNetDecoder(kinds, heads, logits=False, min_score=0.0)(outputs, SAME)
    expected = Reference(scores, *fields).people(5)
    expected.sort(key=lambda one: -one[0])
    assert found.scores.tolist() == pytest.approx([score for score, _ in expected], abs=1e-5)
    assert found.keypoints is not None
    assert found.keypoint_scores is not None
    points = np.array([[p for p, _ in person] for _, person in expected]).reshape(-1, 17, 2)[..., ::-1]
    assert found.keypoints == pytest.approx(np.clip(points, 0, SIZE), abs=1e-3)
    assert found.keypoint_scores.reshape(-1).tolist() == pytest.approx(
        [s for _, person in expected for _, s in person], abs=1e-6
    )


def person_at(shift: int) -> list[Array]:
    """Outputs that hold one person whose points stand in a diagonal of cells, each 3 px right of its cell."""
    cells = {part: ((part + shift) % GRID[0], (2 * part + shift) % GRID[1]) for part in range(17)}
    outputs = [np.zeros((1, *GRID, c), np.float32) for c in CHANNELS]
    outputs[0] -= 9  # logits
    for part, (y, x) in cells.items():
        outputs[0][0, y, x, part] = 3 - part / 100
        outputs[1][0, y, x, 17 + part] = 3
    for edge, (parent, child) in enumerate(EDGES):
        step = (np.array(cells[child]) - cells[parent]) * STRIDE
        outputs[2][0, *cells[parent], [edge, edge + 16]] = step
        outputs[3][0, *cells[child], [edge, edge + 16]] = -step
    return outputs


def test_logits_become_scores_and_the_box_is_around_all_points() -> None:
    found = PoseNetDecoder(specs(), HEADS, logits=True)(person_at(0), SAME)
    assert len(found) == 1
    assert found.keypoints is not None
    assert found.keypoints[0, 2].tolist() == [4 * STRIDE + 3, 2 * STRIDE]
    assert found.keypoint_scores is not None
    assert found.keypoint_scores[0, 0] == pytest.approx(1 / (1 + math.exp(-3)))
    assert found.boxes[0].tolist() == [*found.keypoints[0].min(axis=0), *found.keypoints[0].max(axis=0)]


def test_quantised_outputs_say_the_same() -> None:
    outputs = person_at(0)
    scales = (0.1, 1.0, 1.0, 1.0)
    kinds = [
        TensorSpec("q", out.shape, np.dtype(np.int8), (scale,), (0,))
        for out, scale in zip(outputs, scales, strict=True)
    ]
    stored = [np.round(out / scale).astype(np.int8) for out, scale in zip(outputs, scales, strict=True)]
    one = PoseNetDecoder(kinds, HEADS, logits=True)(stored, SAME)
    other = PoseNetDecoder(specs(), HEADS, logits=True)(outputs, SAME)
    assert one.keypoints is not None
    assert one.keypoints.tolist() == other.keypoints.tolist()  # type: ignore[union-attr]
    assert one.scores == pytest.approx(other.scores, abs=0.01)


def test_without_displacements_each_point_is_where_its_map_is_largest() -> None:
    outputs = person_at(1)[:2]
    found = PoseNetSingleDecoder(specs()[:2], Heads(0, 1), logits=True)(outputs, SAME)
    assert found.points[0].tolist() == [1 * STRIDE + 3, 1 * STRIDE]
    assert found.score == pytest.approx(float(found.scores.mean()))
    assert len(PoseNetSingleDecoder(specs()[:2], Heads(0, 1), logits=True, min_score=0.99)(outputs, SAME)) == 0


def test_nonsense_neither_crashes_nor_is_reported() -> None:
    outputs = [np.full((1, *GRID, c), np.nan, np.float32) for c in CHANNELS]
    assert len(PoseNetDecoder(specs(), HEADS, logits=True)(outputs, SAME)) == 0
    outputs = person_at(0)
    for field in outputs[1:]:
        field[:] = np.nan
    found = PoseNetDecoder(specs(), HEADS, logits=True, min_score=0.0)(outputs, SAME)
    assert found.keypoints is not None
    assert np.isfinite(found.keypoints).all()
    assert not found.keypoint_scores.any()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("size", "grid", "stride"),
    [
        ((257, 257), (9, 9), 32),
        ((257, 353), (23, 17), 16),
        ((481, 353), (23, 31), 16),
        ((641, 481), (31, 41), 16),
        ((513, 513), (65, 65), 8),
        ((224, 224), (14, 14), 16),
        ((256, 256), (8, 8), 32),
    ],
)
def test_the_stride_is_that_of_the_published_models(size: Size, grid: tuple[int, int], stride: int) -> None:
    assert stride_of(size[1], grid[0]) == stride
    assert stride_of(size[0], grid[1]) == stride


def test_what_corals_op_has_found_is_mapped() -> None:
    points = np.zeros((1, 3, 17, 2), np.float32)
    points[0, 1] = (20, 10)  # y, x
    scores = np.full((1, 3, 17), 0.6, np.float32)
    outputs = [points, scores, np.array([[0.4, 0.9, 0.7]], np.float32), np.array([2.0], np.float32)]
    doubled = Geometry((200, 200), (100, 100), scale=(0.5, 0.5))
    found = PoseNetOpDecoder()(outputs, doubled)
    assert found.scores == pytest.approx([0.9, 0.4])  # the third is beyond the count
    assert found.keypoints is not None
    assert found.keypoints[0, 0].tolist() == [20, 40]
    assert len(PoseNetOpDecoder(min_score=0.5)(outputs, doubled)) == 1
    assert len(PoseNetOpDecoder()([*outputs[:3], np.array([np.nan], np.float32)], doubled)) == 0
