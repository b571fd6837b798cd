"""Results to deliver."""

import time
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.types import Detections, Event, ModelId, Result

Publishers: TypeAlias = Callable[..., MqttPublisher]


def a_result(number: int = 0, source: str = "door") -> Result:
    """A face at a place that depends on the number."""
    return Result(
        source=source,
        number=number,
        captured_at=time.time(),
        captured_ns=time.monotonic_ns(),
        size=(640, 480),
        task="detect",
        model=ModelId("faces", "1", "ab" * 32),
        device="cpu",
        prediction=Detections(
            np.array([[number % 600, 1, number % 600 + 10, 20]], np.float32),
            np.array([0.75], np.float32),
            np.array([0]),
            ("face",),
        ),
        timings_ms={"infer": 1.5},
    )


def an_event(number: int = 0) -> Event:
    """Somebody comes."""
    now = time.time()
    return Event(f"{number}", "start", "object", "person", now, time.monotonic_ns(), now, frame=number)
