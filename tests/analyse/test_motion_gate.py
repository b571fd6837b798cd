from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from edge_infer.analyse.gate_settings import MotionGate
from edge_infer.analyse.motion_gate import HEIGHT, Stirring, counting, largest_piece, relit, small_grey
from edge_infer.types import Array

FPS = 10
SIZE = (320, 240)
RNG = np.random.default_rng(7)
SCENE = cv2.resize(RNG.integers(40, 200, (12, 16, 3)).astype(np.uint8), SIZE, interpolation=cv2.INTER_CUBIC)
NOISE = [RNG.normal(0.0, 1.0, (SIZE[1], SIZE[0], 3)).astype(np.float32) for _ in range(8)]
LEARNED = 30  # frames


def seen(scene: Array, number: int, noise: float = 6.0, gain: float = 1.0, quality: int = 60) -> Array:
    """What a camera makes of a scene: noise, exposure, compression."""
    picture = scene * np.float32(gain) + NOISE[number % len(NOISE)] * np.float32(noise)
    stored = cv2.imencode(".jpg", picture.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded: Array = np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR))
    return decoded


def walker(frame: int, *, width: int = 20, height: int = 50, contrast: int = 40, step: int = 4) -> Array:
    """The scene with somebody who walks through."""
    scene = SCENE.copy()
    x = frame * step
    part = scene[120 : 120 + height, x : x + width]
    part[:] = np.clip(part.astype(int) + contrast, 0, 255)
    return scene


def moves(pictures: Iterator[Array], gate: Stirring | None = None) -> list[bool]:
    gate = gate or Stirring(MotionGate())
    return [gate(picture, number / FPS) for number, picture in enumerate(pictures)]


STILL = {
    "without noise": {"noise": 0.0},
    "noise": {"noise": 6.0},
    "noise of a dark room": {"noise": 20.0, "gain": 0.4},
    "hard compression": {"noise": 6.0, "quality": 15},
}


@pytest.mark.parametrize("camera", STILL.values(), ids=STILL)
def test_nothing_moves_in_a_still_scene(camera: dict[str, float]) -> None:
    assert moves(seen(SCENE, i, **camera) for i in range(60)) == [True] + [False] * 59  # type: ignore[arg-type]


LIGHTS = {
    "a cloud": lambda i: 1.0 - 0.2 * np.sin(i / 30),
    "a lamp that flickers": lambda i: 1.0 + 0.05 * (i % 2),
    "an exposure that jumps": lambda i: 0.8 if i % 20 < 10 else 1.0,
}


@pytest.mark.parametrize("gain", LIGHTS.values(), ids=LIGHTS)
def test_light_is_no_motion(gain: object) -> None:
    assert sum(moves(seen(SCENE, i, gain=gain(i)) for i in range(100))) <= 2  # type: ignore[operator]


def test_a_camera_that_was_turned_passes_one_frame() -> None:
    said = moves(seen(SCENE if i < 30 else SCENE[::-1, ::-1], i) for i in range(60))
    assert [i for i, one in enumerate(said) if one] == [0, 30]


def test_a_lamp_in_a_part_of_the_room_is_motion_for_some_seconds() -> None:
    lit = SCENE.copy()
    lit[:, 120:] = np.clip(lit[:, 120:].astype(int) + 55, 0, 255)
    gate = Stirring(MotionGate())
    said = [gate(seen(SCENE if i < 20 else lit, i), i / 2) for i in range(60)]  # 2 a second
    assert said[20]
    assert sum(said[45:]) == 0


WALKERS = {
    "near": {"width": 60, "height": 110},
    "far": {"width": 10, "height": 25},
    "dark on dark": {"contrast": 22},
    "slow": {"step": 1},
}


@pytest.mark.parametrize("who", WALKERS.values(), ids=WALKERS)
def test_who_walks_through_is_seen_in_every_frame(who: dict[str, int]) -> None:
    gate = Stirring(MotionGate())
    moves((seen(SCENE, i) for i in range(LEARNED)), gate)
    said = [gate(seen(walker(i, **who), i), (LEARNED + i) / FPS) for i in range(60)]
    assert said == [True] * 60


def test_who_walks_while_the_light_changes_is_seen() -> None:
    gate = Stirring(MotionGate())
    moves((seen(SCENE, i) for i in range(LEARNED)), gate)
    said = [gate(seen(walker(i), i, gain=1.0 - i / 200), (LEARNED + i) / FPS) for i in range(60)]
    assert all(said)


def test_who_stands_still_becomes_the_background() -> None:
    gate = Stirring(MotionGate())
    moves((seen(SCENE, i) for i in range(LEARNED)), gate)
    said = [gate(seen(walker(10), i), LEARNED / FPS + i / 3) for i in range(90)]  # 3 a second
    assert said[0]
    assert not any(said[60:])


def test_cars_on_a_busy_road_are_seen_after_a_long_time() -> None:
    gate = Stirring(MotionGate())
    said = [gate(seen(walker(i % 60, contrast=55), i), i / 5) for i in range(300)]  # 5 a second
    assert sum(said[-60:]) >= 58


def test_a_tree_that_always_sways_is_learned_and_who_walks_before_it_is_seen() -> None:
    gate = Stirring(MotionGate())
    sway = [np.roll(SCENE[:100, :120], shift, axis=1) for shift in (0, 1, 2, 1, 0, -1, -2, -1)]

    def windy(scene: Array, i: int) -> Array:
        scene = scene.copy()
        scene[:100, :120] = sway[i % len(sway)]
        return scene

    before = [gate(seen(windy(SCENE, i), i), i / 5) for i in range(300)]  # 5 a second
    assert sum(before[-50:]) <= 3
    assert gate(seen(windy(walker(30), 0), 0), 60.0)


def test_what_is_ignored_may_move() -> None:
    gate = Stirring(MotionGate(ignore=(((0.0, 0.4), (1.0, 0.4), (1.0, 1.0), (0.0, 1.0)),)))
    moves((seen(SCENE, i) for i in range(LEARNED)), gate)
    assert not any(gate(seen(walker(i), i), (LEARNED + i) / FPS) for i in range(60))


def test_a_larger_area_leaves_out_what_is_small() -> None:
    gate = Stirring(MotionGate(area=0.2))
    moves((seen(SCENE, i) for i in range(LEARNED)), gate)
    assert not any(gate(seen(walker(i), i), (LEARNED + i) / FPS) for i in range(60))


@pytest.mark.parametrize("change", ["size", "time"])
def test_it_begins_anew_where_the_source_does(change: str) -> None:
    gate = Stirring(MotionGate())
    moves((seen(SCENE, i) for i in range(LEARNED)), gate)
    picture = seen(SCENE, 0)[: 200 if change == "size" else None]
    assert gate(picture, 3.1 if change == "size" else 0.0)
    assert not gate(picture, 3.2 if change == "size" else 0.1)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (100, 7), (7, 300), (1920, 1080), (99, 101)])
def test_pictures_of_every_size_are_taken(size: tuple[int, int]) -> None:
    width, height = size
    picture = RNG.integers(0, 255, (height, width, 3)).astype(np.uint8)
    grey = small_grey(picture)
    assert grey.shape[0] == min(height, HEIGHT)
    assert grey.dtype == np.float32
    gate = Stirring(MotionGate())
    assert gate(picture, 0.0)
    assert not gate(picture, 0.1)


def test_the_background_in_another_light_is_that_light() -> None:
    background = small_grey(SCENE)
    assert np.abs(relit(background, background * 0.7 + 20) - (background * 0.7 + 20)).max() < 1.0
    flat = np.full((100, 100), 90.0, np.float32)
    assert np.allclose(relit(flat, flat + 30), 120.0)


def test_the_largest_piece_is_counted_and_not_the_sum() -> None:
    moved = np.zeros((50, 50), np.uint8)
    assert largest_piece(moved) == 0
    moved[2:5, 2:5] = moved[20:24, 20:24] = 255
    assert largest_piece(moved) == 16


def test_polygons_are_parts_of_the_picture() -> None:
    counts = counting((100, 200), [((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))])
    assert (counts[:, :95] == 255).all()
    assert (counts[:, 105:] == 0).all()
