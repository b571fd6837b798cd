"""What a runtime is."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, TypeAlias

from edge_infer.types import Array, TensorSpec

Reduce: TypeAlias = Callable[[Array], Array]  # it keeps nothing of what it is given
NO_REDUCTION: Mapping[int, Reduce] = MappingProxyType({})


class Memory(Protocol):
    """What a runtime or a decoder is, too, where its answers depend on those before."""

    @property
    def remembers(self) -> bool:
        """They do; False: the model is of another kind."""
        ...

    def forget(self) -> None:
        """The next input does not follow the last."""
        ...


class Runtime(Protocol):
    """Runs one model; belongs to the one thread that opened it."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The model's inputs."""
        ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The model's outputs; one whose size the model decides at run time has shape ()."""
        ...

    @property
    def device(self) -> str:
        """What runs it, `cpu` or for example `edgetpu:usb:0`."""
        ...

    @property
    def library(self) -> str:
        """Name and version of the library behind it."""
        ...

    def run(self, inputs: Sequence[Array], reduce: Mapping[int, Reduce] = NO_REDUCTION) -> list[Array]:
        """Stored values of all inputs to stored values of all outputs; the outputs are the caller's own copies.

        Where `reduce` has the place of an output, what that makes of it is given instead: a large output (the classes
        of each pixel) need not be copied then.

        Raises:
            ModelError: an input has the wrong shape or type.
            DelegateError: the accelerator failed.
        """
        ...

    def close(self) -> None:
        """Give everything back; may be called twice."""
        ...
