"""Which brokers have a collector: known for good once one was heard, so that `ack: auto` never goes back."""

import logging
import os
from pathlib import Path

from edge_infer.mqtt.broker import Broker

log = logging.getLogger(__name__)


def is_known(state_dir: Path, broker: Broker) -> bool:
    """A collector was heard there before."""
    try:
        return _line(broker) in (state_dir / "collectors").read_text().splitlines()
    except OSError:
        return False


def remember(state_dir: Path, broker: Broker) -> None:
    """A collector was heard there."""
    if is_known(state_dir, broker):
        return
    try:
        with (state_dir / "collectors").open("a") as file:
            file.write(f"{_line(broker)}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        log.warning("cannot note that a collector is there: %s", error)


def _line(broker: Broker) -> str:
    return f"{broker.url} {broker.root}"
