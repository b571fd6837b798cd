"""edge_infer: quantised TFLite inference for edge devices.

Importing this package loads nothing heavy: each public name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from edge_infer.deliver.publisher import MqttPublisher
    from edge_infer.model import Model, load
    from edge_infer.pipeline import stream
    from edge_infer.registry import open_source

_HOME = {
    "MqttPublisher": "edge_infer.deliver.publisher",
    "Model": "edge_infer.model",
    "load": "edge_infer.model",
    "open_source": "edge_infer.registry",
    "stream": "edge_infer.pipeline",
}

__all__ = ["Model", "MqttPublisher", "__version__", "load", "open_source", "stream"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'edge_infer' has no attribute '{name}'")
