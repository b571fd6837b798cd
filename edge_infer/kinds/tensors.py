"""Outputs as they are."""

from edge_infer.decode.tensors import TensorsDecoder
from edge_infer.kinds.kind import Kind

TENSORS = Kind(
    name="tensors",
    task="tensors",
    summary="anything: all outputs as real numbers",
    build=lambda _recipe, specs, _shapes: TensorsDecoder(specs),
)
