"""Fixtures: a broker, and publishers that end with their test."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from made import Publishers

from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.mqtt.broker import Broker


@pytest.fixture
def publish_to(tmp_path: Path) -> Iterator[Publishers]:
    """What starts a publisher of the device `porch`; it is closed at the end."""
    with ExitStack() as stack:

        def start(broker: str | Broker, **options: Any) -> MqttPublisher:
            publisher = MqttPublisher(broker, device="porch", state_dir=tmp_path / "state", **options)
            publisher.start()
            stack.callback(partial(publisher.close, drain_s=0.0))
            return publisher

        yield start
