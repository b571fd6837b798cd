"""One process that owns an accelerator, from its start to its end: killed, and replaced by another, when it fails."""

import logging
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np

from edge_infer.errors import DelegateError, ModelError
from edge_infer.runtime.isolated.launcher import GRACE_S, launcher_for
from edge_infer.runtime.isolated.memory import SharedMemory
from edge_infer.runtime.isolated.messages import (
    Done,
    Failed,
    Forget,
    Load,
    Loaded,
    Reply,
    Run,
    Unload,
    receive_reply,
    send,
)
from edge_infer.types import Array

log = logging.getLogger(__name__)

FaultKind: TypeAlias = Literal["hang", "crash", "error", "load", "lie"]
LOAD_S = 10.0  # for firmware and a model over USB 2; libedgetpu itself waits 6 s for a transfer
SAID_BYTES = 2000  # of what the process said last


class Fault(Exception):  # noqa: N818 - a fact about an accelerator; its keeper decides what it means
    """The process failed and is not to be used any more."""

    def __init__(self, kind: FaultKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True)
class Held:
    """A model that the process has loaded."""

    about: Loaded
    memory: SharedMemory
    dtypes: tuple[np.dtype[Any], ...]
    shapes: tuple[tuple[int, ...], ...]


class Generation:
    """The process and what it has loaded; whoever uses it holds its accelerator's turn."""

    def __init__(self, library: str) -> None:
        """Start the process, which runs models with this library.

        Raises:
            Fault: it does not start.
        """
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._said = os.memfd_create("edge-infer stderr")
        self._models: dict[int, Held] = {}
        self._fed: set[int] = set()  # models that were given something since they began
        self._seq = 0
        try:
            with theirs:
                self._launcher = launcher_for(library)
                self.pid = self._launcher.fork(theirs.fileno(), self._said)
        except (DelegateError, OSError) as error:
            self._channel.close()
            os.close(self._said)
            raise Fault("crash", str(error)) from error

    def load(self, request: Load) -> Loaded:
        """Load a model.

        Raises:
            ModelError: the model is to blame.
            Fault: the accelerator refuses, or the process hangs or dies.
        """
        reply, files = self._ask(request, LOAD_S)
        if isinstance(reply, Failed):
            if reply.model:
                raise ModelError(reply.reason)
            raise Fault("load", reply.reason)
        if not isinstance(reply, Loaded) or len(files) != 1:
            raise Fault("lie", f"it was asked to load a model and said {reply}")
        try:
            memory = SharedMemory(files[0], [tensor.spec() for tensor in reply.inputs])
        except OSError as error:
            raise Fault("load", f"no memory for the tensors of {request.path}: {error}") from error
        dtypes = tuple(np.dtype(tensor.dtype) for tensor in reply.outputs)
        self._models[request.number] = Held(reply, memory, dtypes, tuple(tensor.warm for tensor in reply.outputs))
        return reply

    def run(self, number: int, inputs: Sequence[Array], deadline_s: float) -> list[Array]:
        """Outputs of a model that was loaded.

        Raises:
            ModelError: an input has the wrong shape or type, or the outputs grow beyond all bounds.
            Fault: there was no answer within `deadline_s`, or a wrong one, or the process died.
        """
        held = self._models[number]
        if len(inputs) != len(held.about.inputs):
            raise ModelError(f"{len(inputs)} inputs were given, expected {len(held.about.inputs)}")
        self._seq += 1
        for place, value, tensor in zip(held.memory.inputs(self._seq), inputs, held.about.inputs, strict=True):
            if value.shape != place.shape or value.dtype != place.dtype:
                raise ModelError(
                    f"input '{tensor.name}' is {value.shape} {value.dtype}, expected {place.shape} {place.dtype}"
                )
            np.copyto(place, value)
        self._fed.add(number)
        reply = self._done(Run(self._seq, number), deadline_s)
        places = held.memory.outputs(self._seq, reply.shapes or held.shapes, held.dtypes)
        return [place.copy() for place in places]

    def go_on(self, number: int, *, follows: bool) -> None:
        """Let a model that keeps what it is given begin anew, unless the next inputs follow the last.

        Raises:
            DelegateError: they do, but it was given those in another process, which is gone.
            ModelError: the model is to blame.
            Fault: as of `load`.
        """
        fed = number in self._fed
        if follows and not fed:
            raise DelegateError("the process was replaced that had what the model keeps: it begins anew")
        if fed and not follows:
            self._seq += 1
            self._done(Forget(self._seq, number), LOAD_S)
            self._fed.remove(number)

    def unload(self, number: int) -> None:
        """Let the process give a model back."""
        self._fed.discard(number)
        if held := self._models.pop(number, None):
            held.memory.close()
            try:
                send(self._channel, Unload(number))
            except OSError as error:
                log.debug("the owner of an accelerator is gone: %s", error)

    def close(self, *, grace_s: float = GRACE_S) -> str:
        """End the process, at once without grace; says how it ended, and what it said last."""
        self._channel.close()
        how = self._launcher.end(self.pid, grace_s)
        said = self.said()
        for held in self._models.values():
            held.memory.close()
        self._models = {}
        os.close(self._said)
        return f"{how}{f', after it said: {said}' if said else ''}"

    def said(self) -> str:
        """The last line that the process wrote to its stderr."""
        size = os.fstat(self._said).st_size
        text = os.pread(self._said, SAID_BYTES, max(0, size - SAID_BYTES)).decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def _done(self, request: Run | Forget, timeout: float) -> Done:
        reply, _ = self._ask(request, timeout)
        if isinstance(reply, Failed):
            if reply.model:
                raise ModelError(reply.reason)
            raise Fault("error", reply.reason)
        if not isinstance(reply, Done) or reply.seq != request.seq:
            raise Fault("lie", f"it was asked question {request.seq} and answered {reply}")
        return reply

    def _ask(self, request: Load | Run | Forget, timeout: float) -> tuple[Reply, list[int]]:
        try:
            self._channel.settimeout(timeout)
            send(self._channel, request)
            reply, files = receive_reply(self._channel)
        except TimeoutError as error:
            raise Fault("hang", f"no answer within {timeout:g} s") from error
        except (OSError, msgspec.DecodeError) as error:
            raise Fault("crash", f"its process is gone: {error}") from error
        if reply is None:
            raise Fault("crash", "its process died")
        return reply, files
