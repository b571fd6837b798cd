from typing import Any

import numpy as np
import pytest

from edge_infer.bundle.mediapipe import DETECTOR, SEGMENTER, detector_decoding, segmenter_activation
from edge_infer.bundle.metadata import Metadata, ProcessUnits
from edge_infer.errors import ModelError

writer = pytest.importorskip("metadata_writer", reason="needs flatbuffers")

ANCHORS = [(0.1, 0.2, 0.3, 0.4), (0.5, 0.6, 0.7, 0.8)]  # x, y, width, height


def metadata(**custom: bytes) -> Metadata:
    return Metadata("", "", "", "", "", (), (), ProcessUnits(), (), custom)


def test_a_detector_tells_its_anchors_and_how_boxes_are_made() -> None:
    decoding = detector_decoding(metadata(DETECTOR_METADATA=writer.detector(ANCHORS, scales=(1, 2, 3, 4), classes=2)))
    assert decoding is not None
    np.testing.assert_allclose(decoding.anchors, [[0.2, 0.1, 0.4, 0.3], [0.6, 0.5, 0.8, 0.7]], rtol=1e-6)
    assert decoding.scales == (1, 2, 3, 4)
    assert (decoding.exponential, decoding.sigmoid) == (True, False)


@pytest.mark.parametrize("custom", [{}, {DETECTOR: writer.packed({2: {2: ("Int32", 4)}}, b"V001")}])
def test_a_detector_that_tells_nothing_or_half_is_decoded_otherwise(custom: dict[str, Any]) -> None:
    assert detector_decoding(metadata(**custom)) is None
    assert detector_decoding(None) is None


def test_anchors_that_cannot_be_divided_by_are_not_used() -> None:
    nothing = writer.detector(ANCHORS, scales=(1, 0, 1, 1), classes=2)
    assert detector_decoding(metadata(**{DETECTOR: nothing})) is None


@pytest.mark.parametrize(("number", "activation"), [(0, "none"), (1, "sigmoid"), (2, "softmax"), (9, None)])
def test_a_segmenter_tells_its_activation(number: int, activation: str | None) -> None:
    assert segmenter_activation(metadata(**{SEGMENTER: writer.segmenter(number)})) == activation
    assert segmenter_activation(metadata()) is segmenter_activation(None) is None


def test_damaged_metadata_is_refused() -> None:
    whole = writer.detector(ANCHORS, classes=2)
    with pytest.raises(ModelError, match="DETECTOR_METADATA in the model's metadata is damaged"):
        detector_decoding(metadata(**{DETECTOR: whole[: len(whole) // 2]}))
