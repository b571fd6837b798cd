"""edge_infer: quantised TFLite inference for edge devices.

Importing this package loads nothing heavy: each public name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from edge_infer.analysing import Events
    from edge_infer.cascading import cascade
    from edge_infer.deliver.publisher import MqttPublisher
    from edge_infer.gating import gate
    from edge_infer.loading import load
    from edge_infer.model import Model
    from edge_infer.registry import open_source
    from edge_infer.streaming import stream

_HOME = {
    "Events": "edge_infer.analysing",
    "MqttPublisher": "edge_infer.deliver.publisher",
    "Model": "edge_infer.model",
    "cascade": "edge_infer.cascading",
    "gate": "edge_infer.gating",
    "load": "edge_infer.loading",
    "open_source": "edge_infer.registry",
    "stream": "edge_infer.streaming",
}

__all__ = ["Events", "Model", "MqttPublisher", "__version__", "cascade", "gate", "load", "open_source", "stream"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'edge_infer' has no attribute '{name}'")
