"""Fixtures: a daemon that obeys, and what asks it."""

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from broker import Mosquitto, Subscriber
from command import REPOSITORY, START_S, Daemon
from talk import ALL, Ask, results
from waiting import until

MANY = "{min_score: 0.0, max_results: 5}"


@pytest.fixture
def ask(subscriber: Subscriber) -> Ask:
    """Sends a command as MQTT 5 has it; returns its answer."""
    numbers = itertools.count(1)

    def ask(command: str, **arguments: Any) -> dict[str, Any]:
        topic, correlation = f"me/{next(numbers)}", f"c{next(numbers)}".encode()
        send = subscriber.send
        body = json.dumps(arguments).encode()
        send(f"edge/v1/porch/cmd/{command}", body, response_topic=topic, correlation=correlation)
        until(lambda: subscriber.on(topic), what=f"an answer to {command}")
        heard = subscriber.on(topic)[0]
        assert heard.correlation == correlation
        said: dict[str, Any] = heard.said
        return said

    return ask


@pytest.fixture
def still(picture: Path) -> str:
    return f"{{kind: still, uri: {picture}, fps: 20, size: [160, 120]}}"


@pytest.fixture
def config(configure: Callable[..., Path], mosquitto: Mosquitto, still: str) -> Path:
    """Of two pipelines, door and yard, that see five faces in noise, and all commands."""
    path = configure(f"mqtt: {{url: '{mosquitto.url}'}}\n{ALL}", door=still, yard=still)
    lines = path.read_text().splitlines()
    model = f"    model: {{path: {REPOSITORY / 'models/face-detection'}, device: cpu}}\n    decode: {MANY}"
    path.write_text("".join(f"{model if line.startswith('    model:') else line}\n" for line in lines))
    return path


@pytest.fixture
def daemon(tmp_path: Path, config: Path, subscriber: Subscriber) -> Iterator[Daemon]:
    with Daemon(tmp_path, "--config", config) as daemon:
        until(lambda: results(subscriber, "door") and results(subscriber, "yard"), START_S, "results of both")
        until(lambda: subscriber.on("/info"), what="info")
        yield daemon
        assert "Traceback" not in daemon.log
