"""LiteRT and tflite-runtime: one interpreter, one thread."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from edge_infer.bundle.model_file import SSD_OPERATOR, ModelFile
from edge_infer.errors import DelegateError, ModelError
from edge_infer.runtime.delegate import EXTERNAL, load_edgetpu, load_external
from edge_infer.runtime.libraries import Library, find_library
from edge_infer.runtime.quiet import caught_stderr
from edge_infer.runtime.runtime import NO_REDUCTION, Reduce
from edge_infer.types import Array, TensorSpec

log = logging.getLogger(__name__)

# Streaming models keep what they heard in resource variables, which nothing but a new interpreter sets back (measured:
# reset_all_variables and allocate_tensors do not, in LiteRT 2.3 and tflite-runtime 2.14).
VARIABLE = "VAR_HANDLE"
# Converters make one operator of a Keras layer that begins anew with each input; its state outlives the input all the
# same, until reset_all_variables. Source: tensorflow/lite/kernels/unidirectional_sequence_lstm.cc, variable tensors.
SEQUENCES = frozenset({
    "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN",
    "BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN",
})  # fmt: skip


class InterpreterRuntime:
    """Runs a checked model file on the CPU or, through a delegate in this process, on an Edge TPU.

    `Interpreter`, never LiteRT's `CompiledModel`: that one holds the GIL while it runs and corrupts memory with
    the SSD post-processing op (docs/adr/0002).

    Attributes:
        remembers: the model itself keeps what it was given before, until `forget`
    """

    def __init__(
        self,
        model: ModelFile,
        *,
        device: str = "cpu",
        threads: int = 1,
        library: Library | None = None,
        delegate: str | None = None,
        options: Mapping[str, str] | None = None,
        shapes: Sequence[tuple[int, ...]] = (),
    ) -> None:
        """Load the model and run it once on zeros, so that the first real inference is not slower than the rest.

        Args:
            model: a file that `read_model` has checked: a damaged one would crash the process here
            device: `cpu`, `edgetpu[:usb|:pci][:N]` or `external`
            threads: CPU threads for one inference
            library: which runtime; default: `find_library()`
            delegate: path of the delegate's library, where it is not the system's libedgetpu
            options: what an external delegate is told
            shapes: of the inputs, where the model leaves them open; default: as they stand in the file

        Raises:
            ModelError: the runtime does not take it, for example for an op that it does not have.
            DelegateError: the accelerator is missing or refuses.
        """
        found = library or find_library()
        self.device = device
        self.library = str(found)
        self._path = model.path
        delegates = _delegates(found, device, delegate, options or {})
        self.remembers = VARIABLE in model.operators
        # One that begins anew must be what was checked, whatever stands in its file by then.
        file = {"model_content": model.path.read_bytes()} if self.remembers else {"model_path": str(model.path)}
        self._begins_anew = not SEQUENCES.isdisjoint(model.operators)
        self._start = partial(_started, found, model, file, threads, delegates, shapes)
        with caught_stderr() as lines:
            self._interpreter: Any = self._start()
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
            self.inputs = tuple(spec_of(detail) for detail in inputs)
            self.outputs = tuple(spec_of(detail) for detail in outputs)
            self._input_ids = tuple(detail["index"] for detail in inputs)
            self._output_ids = tuple(detail["index"] for detail in outputs)
            self.warm_outputs = self.run([np.zeros(spec.shape, spec.dtype) for spec in self.inputs])
            self.forget()
        for line in lines:
            log.debug("runtime says: %s", line, extra={"model": model.path.name})

    @property
    def warm_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the outputs of the first run."""
        return [output.shape for output in self.warm_outputs]

    def run(self, inputs: Sequence[Array], reduce: Mapping[int, Reduce] = NO_REDUCTION) -> list[Array]:
        """Stored inputs to copies of the stored outputs; releases the GIL while it computes."""
        interpreter = self._interpreter
        if interpreter is None:
            raise ModelError(f"{self._path.name} was closed: load it again")
        if self._begins_anew:
            interpreter.reset_all_variables()
        try:
            for index, value in zip(self._input_ids, inputs, strict=True):
                interpreter.set_tensor(index, value)
            interpreter.invoke()
        except ValueError as error:
            raise ModelError(f"{self._path.name}: {error}") from error
        except RuntimeError as error:
            kind = ModelError if self.device == "cpu" else DelegateError
            raise kind(f"{self._path.name} failed on {self.device}: {_first_line(error)}") from error
        if not reduce:
            return [interpreter.get_tensor(index) for index in self._output_ids]
        return [
            reduce[place](interpreter.tensor(index)()) if place in reduce else interpreter.get_tensor(index)
            for place, index in enumerate(self._output_ids)
        ]

    def forget(self) -> None:
        """The model has heard nothing yet; a millisecond for one that remembers, else nothing."""
        if self.remembers and self._interpreter is not None:
            self._interpreter = self._start()

    def close(self) -> None:
        """Free the interpreter and its delegate."""
        self._interpreter = None


def _delegates(library: Library, device: str, path: str | None, options: Mapping[str, str]) -> list[Any]:
    if device == "cpu":
        return []
    if device == EXTERNAL:
        return [load_external(library, path or "", options)]
    return [load_edgetpu(library, device, path)]


def _started(
    library: Library,
    model: ModelFile,
    file: Mapping[str, str | bytes],
    threads: int,
    delegates: list[Any],
    shapes: Sequence[tuple[int, ...]],
) -> Any:
    try:
        interpreter = library.interpreter(**file, num_threads=threads, experimental_delegates=delegates or None)
        for detail, shape in zip(interpreter.get_input_details() if shapes else (), shapes, strict=True):
            interpreter.resize_tensor_input(detail["index"], shape)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        unknown = model.custom_ops - {SSD_OPERATOR}
        if delegates:
            raise DelegateError(f"the delegate does not take {model.path.name}: {_first_line(error)}") from error
        if unknown and "unresolved custom op" in str(error):
            raise ModelError(
                f"{model.path} needs the custom op {', '.join(sorted(unknown))}, which {library} does not have: "
                "convert the model with built-in ops only"
            ) from error
        raise ModelError(f"{library} cannot run {model.path}: {_first_line(error)}") from error
    return interpreter


def spec_of(detail: dict[str, Any]) -> TensorSpec:
    """A tensor as the interpreter describes it."""
    quantization = detail["quantization_parameters"]
    signature = tuple(int(side) for side in detail.get("shape_signature", ()))
    return TensorSpec(
        name=detail["name"],
        shape=tuple(int(side) for side in detail["shape"]),
        dtype=np.dtype(detail["dtype"]),
        scale=tuple(float(s) for s in quantization["scales"]),
        zero_point=tuple(int(z) for z in quantization["zero_points"]),
        quantized_dimension=int(quantization["quantized_dimension"]),
        signature=signature if -1 in signature else (),
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
