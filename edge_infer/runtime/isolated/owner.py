"""The process that owns an accelerator: loads models and runs them when it is told to."""

import hashlib
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_infer.bundle.model_file import read_model
from edge_infer.errors import DelegateError, EdgeInferError, ModelError
from edge_infer.runtime.interpreter import InterpreterRuntime
from edge_infer.runtime.isolated.memory import SharedMemory, make_shared_file, output_room
from edge_infer.runtime.isolated.messages import (
    Done,
    Failed,
    Forget,
    Load,
    Loaded,
    Reply,
    Run,
    Tensor,
    Unload,
    receive_request,
    send,
)
from edge_infer.runtime.libraries import Library
from edge_infer.types import Array, TensorSpec

QUESTION_SEED = 1


@dataclass(frozen=True)
class _Held:
    """A loaded model and its memory; `usual` are the shapes of its outputs."""

    runtime: InterpreterRuntime
    memory: SharedMemory
    usual: tuple[tuple[int, ...], ...]


class Owner:
    """Serves one channel, in one thread, until its other end is closed."""

    def __init__(self, channel: socket.socket, library: Library) -> None:
        self._channel = channel
        self._library = library
        self._models: dict[int, _Held] = {}

    def serve(self) -> None:
        """Do what is asked; then give the accelerator back."""
        while (request := receive_request(self._channel)) is not None:
            match request:
                case Run():
                    send(self._channel, self._run(request))
                case Load():
                    self._load(request)
                case Forget():
                    send(self._channel, self._forget(request))
                case Unload():
                    self._unload(request.number)
        for number in list(self._models):
            self._unload(number)

    def _run(self, request: Run) -> Reply:
        held = self._models[request.number]
        try:
            outputs = held.runtime.run(held.memory.inputs(request.seq))
            shapes = tuple(output.shape for output in outputs)
            places = held.memory.outputs(request.seq, shapes, [output.dtype for output in outputs])
        except (EdgeInferError, ValueError) as error:
            return Failed(str(error), model=not isinstance(error, DelegateError))
        for place, output in zip(places, outputs, strict=True):
            np.copyto(place, output)
        return Done(request.seq, None if shapes == held.usual else shapes)

    def _forget(self, request: Forget) -> Reply:
        try:
            self._models[request.number].runtime.forget()
        except EdgeInferError as error:
            return Failed(str(error), model=not isinstance(error, DelegateError))
        return Done(request.seq)

    def _load(self, request: Load) -> None:
        try:
            held, reply, file = self._loaded(request)
        except (EdgeInferError, OSError) as error:
            send(self._channel, Failed(str(error), model=isinstance(error, ModelError)))
            return
        self._models[request.number] = held
        send(self._channel, reply, file)
        os.close(file)

    def _loaded(self, request: Load) -> tuple[_Held, Loaded, int]:
        model = read_model(Path(request.path))
        if model.sha256 != request.sha256:
            raise ModelError(f"{model.path} was replaced while it was in use: load the model again")
        runtime = InterpreterRuntime(
            model,
            device=request.device,
            threads=request.threads,
            library=self._library,
            delegate=request.delegate,
            options=request.options,
            shapes=request.shapes,
        )
        file = make_shared_file(runtime.inputs, output_room(runtime.warm_outputs))
        shapes = tuple(output.shape for output in runtime.warm_outputs)
        held = _Held(runtime, SharedMemory(os.dup(file), runtime.inputs), shapes)
        outputs = tuple(
            Tensor.of(spec, output.shape) for spec, output in zip(runtime.outputs, runtime.warm_outputs, strict=True)
        )
        inputs = tuple(Tensor.of(spec) for spec in runtime.inputs)
        started = time.monotonic()
        proof = _proof(runtime)
        run_s = time.monotonic() - started
        runtime.forget()
        return held, Loaded(request.number, runtime.library, inputs, outputs, proof, run_s), file

    def _unload(self, number: int) -> None:
        if held := self._models.pop(number, None):
            held.runtime.close()
            held.memory.close()


def _proof(runtime: InterpreterRuntime) -> str:
    """A digest of the answer to a question that is always the same: an accelerator that is well gives it each time."""
    answer = hashlib.sha256()
    for output in runtime.run(_question(runtime.inputs)):
        answer.update(output.tobytes())
    return answer.hexdigest()


def _question(inputs: Sequence[TensorSpec]) -> list[Array]:
    random = np.random.default_rng(QUESTION_SEED)
    return [
        random.integers(0, 127, spec.shape, endpoint=True).astype(spec.dtype)
        if spec.dtype.kind in "iu"
        else random.random(spec.shape).astype(spec.dtype)
        for spec in inputs
    ]


def serve(channel: socket.socket, library: Library) -> None:
    """Own an accelerator until the other end is closed."""
    Owner(channel, library).serve()
    os._exit(0)  # what the interpreter would clean up is the kernel's work, and may hang in a driver
