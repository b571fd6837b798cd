"""What a runtime is."""

from collections.abc import Sequence
from typing import Protocol

from edge_infer.types import Array, TensorSpec


class Runtime(Protocol):
    """Runs one model; belongs to the one thread that opened it.

    Attributes:
        inputs, outputs: the model's tensors; an output whose size the model decides at run time has shape ()
        device: what runs it, `cpu` or for example `edgetpu:usb`
        library: name and version of the library behind it
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    device: str
    library: str

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Stored values of all inputs to stored values of all outputs; the outputs are the caller's own copies.

        Raises:
            ModelError: an input has the wrong shape or type.
            DelegateError: the accelerator failed.
        """
        ...

    def close(self) -> None:
        """Give everything back; may be called twice."""
        ...
