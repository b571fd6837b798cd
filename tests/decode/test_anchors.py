"""Anchors against loops written from the papers and the exporters' configurations."""

import math

import numpy as np
import pytest

from edge_infer.decode.anchors import efficientdet_anchors, efficientdet_levels, pyramid_anchors, ssd_anchors

Row = tuple[float, float, float, float]


def ssd_by_the_paper(width: int, height: int) -> list[Row]:
    """Liu et al., SSD, 2.2: scales between 0.2 and 0.95 for six maps, and one box between this map's and the next's."""
    rows: list[Row] = []
    lines, columns = -(-height // 16), -(-width // 16)
    shorter = min(width, height)
    for level in range(6):
        scale = 0.2 + 0.75 * level / 5
        coarser = 0.2 + 0.75 * (level + 1) / 5 if level < 5 else 1.0
        boxes = [(scale, 1.0), (scale, 2.0), (scale, 0.5), (scale, 3.0), (scale, 0.3333)]
        boxes.append((math.sqrt(scale * coarser), 1.0))
        if level == 0:
            boxes = [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
        for y in range(lines):
            for x in range(columns):
                for side, ratio in boxes:
                    h, w = side / math.sqrt(ratio) * shorter / height, side * math.sqrt(ratio) * shorter / width
                    rows.append(((y + 0.5) / lines, (x + 0.5) / columns, h, w))
        lines, columns = -(-lines // 2), -(-columns // 2)
    return rows


def pyramid_by_the_configuration(width: int, height: int) -> list[Row]:
    """multiscale_anchor_generator: levels 3..7, anchor_scale 4, aspect ratios 1, 2, 0.5, two scales an octave."""
    rows: list[Row] = []
    for level in range(3, 8):
        cell = 2**level
        top = cell / 2 if height % cell == 0 else 0
        left = cell / 2 if width % cell == 0 else 0
        for y in range(-(-height // cell)):
            for x in range(-(-width // cell)):
                for ratio in (1.0, 2.0, 0.5):
                    for octave in (1.0, 2**0.5):
                        side = 4 * cell * octave
                        h, w = side / math.sqrt(ratio), side * math.sqrt(ratio)
                        rows.append(((top + y * cell) / height, (left + x * cell) / width, h / height, w / width))
    return rows


def efficientdet_by_the_paper(side: int, anchor_scale: float) -> list[Row]:
    """Tan et al., EfficientDet: levels 3..7, scales 2^(0, 1/3, 2/3), aspect ratios 1, 2, 0.5."""
    rows: list[Row] = []
    cells = side
    for level in range(8):
        if level >= 3:
            pixels = side / cells
            for y in range(cells):
                for x in range(cells):
                    for octave in (0, 1 / 3, 2 / 3):
                        for ratio in (1.0, 2.0, 0.5):
                            base = anchor_scale * pixels * 2**octave
                            h, w = base / math.sqrt(ratio), base * math.sqrt(ratio)
                            centre = ((y + 0.5) * pixels, (x + 0.5) * pixels)
                            rows.append((centre[0] / side, centre[1] / side, h / side, w / side))
        cells = (cells + 1) // 2
    return rows


@pytest.mark.parametrize(("size", "count"), [((300, 300), 1917), ((320, 320), 2034), ((320, 192), 1224)])
def test_the_anchors_of_an_ssd_are_those_of_the_paper(size: tuple[int, int], count: int) -> None:
    anchors = ssd_anchors(size)
    assert anchors.shape == (count, 4)
    np.testing.assert_allclose(anchors, ssd_by_the_paper(*size), atol=1e-6)


@pytest.mark.parametrize(("size", "count"), [((320, 320), 12804), ((640, 640), 51150), ((256, 128), 4092)])
def test_the_anchors_of_a_pyramid_are_those_of_the_configuration(size: tuple[int, int], count: int) -> None:
    anchors = pyramid_anchors(size)
    assert anchors.shape == (count, 4)
    np.testing.assert_allclose(anchors, pyramid_by_the_configuration(*size), atol=1e-6)


@pytest.mark.parametrize(("side", "scale", "count"), [(320, 3.0, 19206), (384, 3.0, 27621), (512, 4.0, 49104)])
def test_the_anchors_of_efficientdet_are_those_of_the_paper(side: int, scale: float, count: int) -> None:
    anchors = np.concatenate(efficientdet_anchors((side, side), scale))
    assert anchors.shape == (count, 4)
    np.testing.assert_allclose(anchors, efficientdet_by_the_paper(side, scale), atol=1e-5)


def test_the_levels_of_efficientdet_are_rounded_up() -> None:
    assert efficientdet_levels((320, 320)) == [(40, 40), (20, 20), (10, 10), (5, 5), (3, 3)]
    assert efficientdet_levels((640, 320))[-1] == (3, 5)
