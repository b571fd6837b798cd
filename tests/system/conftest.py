"""Fixtures: a broker, a small model, a picture, and configurations of them."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest
from broker import Mosquitto
from collected import Collect, Collector
from command import REPOSITORY

CONFIG = """version: 1
device: {{id: porch, state_dir: state}}
health: {{interval_s: 0.5}}
{more}
pipelines:
"""
PIPELINE = """  {name}:
    source: {source}
    model: {{path: {model}, device: cpu}}
"""


@pytest.fixture(scope="session")
def model() -> Path:
    """The smallest model that is here."""
    testdata = Path(os.environ.get("EDGE_INFER_TESTDATA", REPOSITORY.parent / "shared/testdata"))
    for path in (testdata / "models/mobilenet_v1_0.25_128_quant.tflite", REPOSITORY / "models/face-detection"):
        if path.exists():
            return path
    pytest.skip("no model: set EDGE_INFER_TESTDATA, or run scripts/build-models")


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "noise.png"
    cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8))
    return path


@pytest.fixture
def configure(tmp_path: Path, model: Path, picture: Path) -> Callable[..., Path]:
    """Writes a configuration of pipelines (name=source; default: a still at 20 fps) and what else is said."""

    def configure(more: str = "", **sources: str) -> Path:
        sources = sources or {"door": f"{{kind: still, uri: {picture}, fps: 20, size: [160, 120]}}"}
        pipelines = [PIPELINE.format(name=name, source=source, model=model) for name, source in sources.items()]
        path = tmp_path / "config.yaml"
        path.write_text(CONFIG.format(more=more) + "".join(pipelines))
        return path

    return configure


@pytest.fixture
def collect(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Collect]:
    """Starts a collector; all are killed at the end."""
    with ExitStack() as stack:
        yield lambda *arguments, url=mosquitto.url: stack.enter_context(Collector(tmp_path, url, *arguments))
