from collections.abc import Iterator
from pathlib import Path

import pytest
from model_server import ModelServer

from edge_infer.flow.backoff import Backoff


@pytest.fixture(autouse=True)
def _nobody_waits_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "next_delay", lambda _self: 0.001)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where models are pulled, here."""
    folder = tmp_path / "models"
    monkeypatch.setenv("EDGE_INFER_MODELS", str(folder))
    for name in ("EDGE_INFER_MIRROR", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer({}).running() as server:
        yield server
