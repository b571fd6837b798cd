"""What is said over the socket between us and the process that owns an accelerator; tensors travel in shared memory."""

import socket
from typing import TypeAlias

import msgspec
import numpy as np
from msgspec import Struct

from edge_infer.types import TensorSpec

MAX_BYTES = 128_000  # of one message; a Linux socket takes 212,992 (net.core.wmem_default)


class Load(Struct, frozen=True, tag=True):
    """Load a model; it is called `number` from now on. The file must still be the one that was checked."""

    number: int
    path: str
    sha256: str
    threads: int
    device: str
    delegate: str | None
    options: dict[str, str]
    shapes: tuple[tuple[int, ...], ...]


class Run(Struct, frozen=True, tag=True):
    """Run a model on what lies in its shared memory."""

    seq: int
    number: int


class Forget(Struct, frozen=True, tag=True):
    """A model that keeps what it was given before has been given nothing yet."""

    seq: int
    number: int


class Unload(Struct, frozen=True, tag=True):
    """A model is not needed any more."""

    number: int


class Tensor(Struct, frozen=True, array_like=True):
    """A TensorSpec on its way; `warm` is the shape that an output had when the model was first run."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    quantized_dimension: int
    warm: tuple[int, ...] = ()

    @classmethod
    def of(cls, spec: TensorSpec, warm: tuple[int, ...] = ()) -> "Tensor":
        """A tensor as it is described to others."""
        return cls(spec.name, spec.shape, spec.dtype.str, spec.scale, spec.zero_point, spec.quantized_dimension, warm)

    def spec(self) -> TensorSpec:
        """The tensor as we know it."""
        return TensorSpec(
            self.name, self.shape, np.dtype(self.dtype), self.scale, self.zero_point, self.quantized_dimension
        )


class Loaded(Struct, frozen=True, tag=True):
    """The model is there; its shared memory comes with this message.

    `proof` is a digest of the answer to a known question, `run_s` how long that took.
    """

    number: int
    library: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    proof: str
    run_s: float


class Done(Struct, frozen=True, tag=True):
    """It is done. An answer lies in the shared memory; `shapes` where they are not those of the first run."""

    seq: int
    shapes: tuple[tuple[int, ...], ...] | None = None


class Failed(Struct, frozen=True, tag=True):
    """It could not be done. `model`: the model is to blame, not the accelerator."""

    reason: str
    model: bool


Request: TypeAlias = Load | Run | Forget | Unload
Reply: TypeAlias = Loaded | Done | Failed

_encoder = msgspec.msgpack.Encoder()
_requests = msgspec.msgpack.Decoder(Request)
_replies = msgspec.msgpack.Decoder(Reply)


def send(channel: socket.socket, message: Request | Reply, *files: int) -> None:
    """Send one message, with open files.

    Raises:
        OSError: nobody is there any more, or it is too large.
    """
    data = _encoder.encode(message)
    if files:
        socket.send_fds(channel, [data], files)
    else:
        channel.send(data)


def receive_request(channel: socket.socket) -> Request | None:
    """The next request; None where no more will come."""
    data = channel.recv(MAX_BYTES)
    return _requests.decode(data) if data else None


def receive_reply(channel: socket.socket) -> tuple[Reply | None, list[int]]:
    """The next reply and the files that came with it; None where no more will come.

    Raises:
        TimeoutError: none came within the channel's timeout.
        msgspec.DecodeError, OSError: it is none.
    """
    data, files, _, _ = socket.recv_fds(channel, MAX_BYTES, 1)
    return (_replies.decode(data) if data else None), files
