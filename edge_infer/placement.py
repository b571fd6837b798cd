"""Which file of a model runs on which device, and what stands in for an accelerator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from edge_infer.bundle.bundle import Bundle
from edge_infer.bundle.exports import read_export
from edge_infer.bundle.metadata import read_metadata
from edge_infer.bundle.model_file import ModelFile, read_model
from edge_infer.engine import Engine, Use
from edge_infer.errors import DelegateError, ModelError, UsageError
from edge_infer.feeding import input_shapes
from edge_infer.kinds.kind import Clues
from edge_infer.recipe import find_kind
from edge_infer.runtime.delegate import EXTERNAL, AbsentError, find_accelerators
from edge_infer.runtime.interpreter import InterpreterRuntime
from edge_infer.runtime.isolated.runtime import IsolatedRuntime
from edge_infer.runtime.libraries import Library
from edge_infer.runtime.pool import isolated


@dataclass(frozen=True)
class Where:
    """Where a model is to run, as `load` and the configuration say it."""

    device: str
    threads: int
    library: Library
    delegate: str | None
    delegate_options: Mapping[str, str]
    isolated: bool | None
    stand_in: bool | None
    deadline_s: float | None


class Accelerated:
    """The file that an accelerator runs, and the engine on it as soon as its runtime has loaded it."""

    def __init__(self, use: Use, file: ModelFile, runtime: IsolatedRuntime | InterpreterRuntime) -> None:
        self.runtime = runtime
        self._use = use
        self._file = file
        self._engine: Engine | None = None

    def engine(self) -> Engine:
        """The engine.

        Raises:
            DelegateError: no accelerator has loaded the file yet.
        """
        if self._engine is None:
            if isinstance(self.runtime, IsolatedRuntime) and (refusal := self.runtime.refusal):
                raise refusal
            self._engine = Engine.of(self._use, self._file, self.runtime, self.runtime.warm_shapes)
        return self._engine

    def forget(self) -> None:
        """Begin anew, where the model is fed with what it said before."""
        if self._engine:
            self._engine.feed.forget()


Placed: TypeAlias = tuple[Accelerated | None, Callable[[], Engine] | None, DelegateError | None]


def place(use: Use, where: Where) -> Placed:
    """The accelerated part, what opens the stand-in on the CPU, and why there is none of the first.

    Raises:
        ModelError: the model has no file for the device, or its file is damaged.
        DelegateError: the accelerator that must do it is not there.
        UsageError: what is asked for does not fit together.
    """
    cpu, edgetpu = _files(use.bundle)
    file = _accelerated_file(use.bundle, where, cpu, edgetpu)

    def open_cpu() -> Engine:
        assert cpu is not None  # noqa: S101 - or nobody is given this
        return _on_cpu(use, cpu, where)

    if file is None:
        if cpu is None:
            raise ModelError(
                f"{use.bundle.path} is compiled for the Edge TPU, the CPU cannot run it: give the file it came from"
            )
        if where.isolated:
            return _open(use, cpu, replace(where, device="cpu"), alone=True), None, None
        return None, open_cpu, None
    stands_in = cpu is not None and (where.device == "auto" if where.stand_in is None else where.stand_in)
    try:
        return _open(use, file, where, alone=not stands_in), open_cpu if stands_in else None, None
    except DelegateError as error:
        if not stands_in:
            raise type(error)(_with_advice(error, file)) from error
        return None, open_cpu, error


def _open(use: Use, file: ModelFile, where: Where, *, alone: bool) -> Accelerated:
    use.bundle.id_of(file.path, file.sha256)  # it is the one that the manifest describes
    if where.isolated is False:
        return Accelerated(use, file, _in_process(use, file, where))
    runtime = isolated(
        file,
        where.device,
        where.library,
        delegate=where.delegate,
        options=where.delegate_options,
        threads=where.threads,
        deadline_s=where.deadline_s,
        alone=alone,
        shapes=_shapes(use, file),
    )
    accelerated = Accelerated(use, file, runtime)
    if alone and (refusal := runtime.refusal):
        runtime.close()
        raise refusal
    return accelerated


def _in_process(use: Use, file: ModelFile, where: Where) -> InterpreterRuntime:
    if where.device == "auto" and where.delegate is None and not find_accelerators():
        raise AbsentError("no Edge TPU is plugged in")
    return InterpreterRuntime(
        file,
        device="edgetpu" if where.device == "auto" else where.device,
        library=where.library,
        delegate=where.delegate,
        options=where.delegate_options,
        shapes=_shapes(use, file),
    )


def _on_cpu(use: Use, file: ModelFile, where: Where) -> Engine:
    use.bundle.id_of(file.path, file.sha256)
    runtime = InterpreterRuntime(file, threads=where.threads, library=where.library, shapes=_shapes(use, file))
    try:
        return Engine.of(use, file, runtime, runtime.warm_shapes)
    except BaseException:
        runtime.close()
        raise


def _shapes(use: Use, file: ModelFile) -> tuple[tuple[int, ...], ...]:
    size = use.prepare.size or use.bundle.prepare.size
    window = use.prepare.window or use.bundle.prepare.window
    if size is not None or window or not any(spec.signature or spec.shape == (1,) for spec in file.inputs):
        return input_shapes(file, size, window=window)
    export = read_export(file)
    kind = find_kind(use.bundle, Clues(file, read_metadata(file), export), use.decode.kind, {})
    usual = kind.usual_prepare
    return input_shapes(file, size, export.size if export else usual.size, usual.window)


def _accelerated_file(
    bundle: Bundle, where: Where, cpu: ModelFile | None, edgetpu: ModelFile | None
) -> ModelFile | None:
    """The file for the accelerator that is asked for; None where none is."""
    if where.device == EXTERNAL:
        if where.delegate is None or cpu is None:
            raise UsageError("device external needs `delegate`, the path of its library, and a model for the CPU")
        return cpu
    if where.device.startswith("edgetpu") and edgetpu is None:
        raise ModelError(f"{bundle.path} has no file for the Edge TPU: compile it with edgetpu_compiler, or use cpu")
    return None if where.device == "cpu" else edgetpu


def _files(bundle: Bundle) -> tuple[ModelFile | None, ModelFile | None]:
    """The checked files for the CPU and the Edge TPU, by what is in them and not by their names."""
    files = [read_model(path) for path in (bundle.cpu, bundle.edgetpu) if path]
    cpu = next((file for file in files if not file.edgetpu), None)
    return cpu, next((file for file in files if file.edgetpu), None)


def _with_advice(error: DelegateError, file: ModelFile) -> str:
    return f"{error}; {file.path} is compiled for it and runs on nothing else" if file.edgetpu else str(error)
