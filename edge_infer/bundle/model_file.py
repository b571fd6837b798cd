"""A .tflite file: checked from end to end before any runtime sees it, and what it says about itself."""

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from edge_infer.bundle.associated_files import AssociatedFiles
from edge_infer.bundle.digest import digest_of
from edge_infer.bundle.flatbuffer import Flatbuffer, Table
from edge_infer.bundle.foreign_files import describe_foreign
from edge_infer.bundle.model_check import check_model, operator_code, tensor_type
from edge_infer.bundle.operator_names import CUSTOM, name_of
from edge_infer.bundle.tflite_schema import IDENTIFIER
from edge_infer.errors import ModelError, UnavailableError
from edge_infer.types import TensorSpec

# Half the memory of the smallest supported board, a Pi Zero 2 W with 512 MB: a larger model could not run there, and
# no model for a camera comes near (the largest that we test has 4 MB).
MAX_MODEL_BYTES = 256 * 2**20

SSD_OPERATOR = "TFLite_Detection_PostProcess"
# What changes only how values are stored or laid out: what computes them stands before.
_TRANSPARENT = ("DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CAST")
_ACTIVATIONS = ("LOGISTIC", "SOFTMAX")
EDGETPU_OPERATOR = "edgetpu-custom-op"  # Source: kCustomOp of libedgetpu's edgetpu.h


@dataclass(frozen=True)
class Signature:
    """Names of inputs and outputs, each with its position in `ModelFile.inputs` and `.outputs`."""

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


@dataclass(frozen=True)
class ModelFile:
    """What a .tflite file holds.

    Attributes:
        operators: names in execution order ("CONV_2D"); custom ones by their own name
        output_operators: the operator that computes each output, behind those that only store or lay out its values
            otherwise; "" if none does
        signatures: of the main graph, by key
        metadata: the model's metadata buffers, by name
        files: the files that travel with it (labels), by name
        detection_classes: how many classes the SSD post-processing op tells apart; 0 without such an op
        modified_ns: when the file was last changed, ns since 1970
    """

    path: Path
    size: int
    description: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: tuple[str, ...]
    custom_ops: frozenset[str]
    output_operators: tuple[str, ...]
    signatures: Mapping[str, Signature]
    metadata: Mapping[str, bytes]
    files: Mapping[str, bytes]
    modified_ns: int
    detection_classes: int = 0

    @property
    def edgetpu(self) -> bool:
        """True if it was compiled for the Edge TPU: then it cannot run on the CPU."""
        return EDGETPU_OPERATOR in self.custom_ops

    @cached_property
    def sha256(self) -> str:
        """Of the file, in hex; read when it is first asked for.

        Raises:
            UnavailableError: the file cannot be read any more.
            ModelError: it was replaced since it was checked.
        """
        try:
            digest = digest_of(self.path)
            modified_ns = self.path.stat().st_mtime_ns
        except OSError as error:
            raise _unreadable(self.path, error) from error
        if modified_ns != self.modified_ns:
            raise ModelError(f"{self.path} was replaced while it was in use: load the model again")
        return digest


def read_model(path: Path | str) -> ModelFile:
    """The model at `path`, after a full check.

    Raises:
        UnavailableError: there is no such file, or it cannot be read.
        ModelError: it is no TFLite model, damaged, or too large; where, and what to do.
    """
    path = Path(path)
    data, modified_ns = _read(path)
    if data[4:8] != IDENTIFIER:
        looks_like, next_step = describe_foreign(data[:512])
        raise ModelError(f"{path} is {looks_like}, not a TFLite model: {next_step}")
    buffer = Flatbuffer(data, str(path))
    model = check_model(buffer)
    codes = model.tables(1)
    main = model.tables(2)[0]
    tensors, inputs, outputs = main.tables(0), main.integers(1), main.integers(2)
    operators = _operators(codes, main)
    makers = {index: (operator.name, operator.inputs) for operator in operators for index in operator.outputs}
    return ModelFile(
        path=path,
        size=len(data),
        description=model.string(3),
        inputs=tuple(_spec(path, tensors[index]) for index in inputs),
        outputs=tuple(_spec(path, tensors[index]) for index in outputs),
        operators=tuple(operator.name for operator in operators),
        custom_ops=frozenset(code.string(1) for code in codes if operator_code(code) == CUSTOM),
        output_operators=tuple(_computed_by(index, makers) for index in outputs),
        signatures=_signatures(model, inputs, outputs),
        metadata=_metadata(model, len(data)),
        files=AssociatedFiles(buffer.data[buffer.end :], str(path)),
        detection_classes=_detection_classes(codes, main),
        modified_ns=modified_ns,
    )


def _read(path: Path) -> tuple[bytes, int]:
    """The file's bytes and its time of modification.

    It is read, not mapped: a mapped file that somebody cuts short kills the process (SIGBUS).
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f"{path} is not a file: give a .tflite file")
        if status.st_size > MAX_MODEL_BYTES:
            raise ModelError(
                f"{path} has {status.st_size} bytes, at most {MAX_MODEL_BYTES} are read: give a smaller model"
            )
        with path.open("rb") as file:
            return file.read(MAX_MODEL_BYTES), status.st_mtime_ns
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(f"cannot read the model {path} ({error.strerror}): check the path and its permissions")


class _Operator(NamedTuple):
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def _operators(codes: list[Table], graph: Table) -> list[_Operator]:
    """All operators, in execution order."""
    numbers = [operator_code(code) for code in codes]
    names = [
        code.string(1) if number == CUSTOM else name_of(number) for code, number in zip(codes, numbers, strict=True)
    ]
    return [_Operator(names[table.integer(0, "I")], table.integers(1), table.integers(2)) for table in graph.tables(3)]


def _computed_by(tensor: int, makers: Mapping[int, tuple[str, tuple[int, ...]]]) -> str:
    """The operator that computes a tensor; an activation whose results are joined counts as one."""
    name, inputs = _behind(tensor, makers)
    if name == "CONCATENATION":
        joined = {_behind(part, makers)[0] for part in inputs}
        return joined.pop() if len(joined) == 1 and joined <= {*_ACTIVATIONS} else name
    return name


def _behind(tensor: int, makers: Mapping[int, tuple[str, tuple[int, ...]]]) -> tuple[str, tuple[int, ...]]:
    name = ""
    inputs: tuple[int, ...] = ()
    for _ in range(len(makers)):  # no longer: the operators of a hostile file may run in a circle
        if tensor not in makers:
            break
        name, inputs = makers[tensor]
        if name not in _TRANSPARENT or not inputs:
            break
        tensor = inputs[0]
    return name, inputs


def _spec(path: Path, tensor: Table) -> TensorSpec:
    kind, name = tensor_type(tensor), tensor.string(3)
    if kind.dtype is None:
        raise ModelError(f"{path}: '{name}' has type {kind.name}, which numpy has not: export it with another type")
    quantization = tensor.table(4)
    scale = quantization.reals(2) if quantization else ()
    signature = chosen if -1 in (chosen := tensor.integers(7)) else ()
    if quantization is None or not any(scale):
        return TensorSpec(name, tensor.integers(0), kind.dtype, signature=signature)
    zero_point = quantization.integers(3, "q")
    if len(zero_point) != len(scale):
        raise tensor.damaged(f"'{name}' has {len(scale)} scales and {len(zero_point)} zero points")
    return TensorSpec(name, tensor.integers(0), kind.dtype, scale, zero_point, quantization.integer(6), signature)


def _detection_classes(codes: list[Table], graph: Table) -> int:
    """From the op's second input, the scores `(1, anchors, 1 + classes)`; the first class there is the background."""
    names = [code.string(1) for code in codes]
    for operator in graph.tables(3):
        inputs = operator.integers(1)
        if names[operator.integer(0, "I")] == SSD_OPERATOR and len(inputs) == 3:
            shape = graph.tables(0)[inputs[1]].integers(0)
            return max(0, shape[-1] - 1) if len(shape) == 3 else 0
    return 0


def _signatures(model: Table, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> dict[str, Signature]:
    def positions(table: Table, field: int, tensors: tuple[int, ...]) -> dict[str, int]:
        places = {tensor: place for place, tensor in reversed(tuple(enumerate(tensors)))}  # of two, the first
        named = {entry.string(0): entry.integer(1, "I") for entry in table.tables(field)}
        for name, tensor in named.items():
            if tensor not in places:
                raise table.damaged(f"the signature's '{name}' is neither input nor output of the model")
        return {name: places[tensor] for name, tensor in named.items()}

    return {
        table.string(2): Signature(positions(table, 0, inputs), positions(table, 1, outputs))
        for table in model.tables(7)
        if table.integer(4, "I") == 0
    }


def _metadata(model: Table, file_size: int) -> dict[str, bytes]:
    contents = model.tables(4)
    entries = {entry.string(0): entry.integer(1, "I") for entry in model.tables(6)}
    named = {index: contents[index].data(0) for index in set(entries.values())}
    if sum(map(len, named.values())) > file_size:  # a hostile file could have us copy the same bytes many times
        raise model.damaged("overlapping metadata")
    copies = {index: bytes(content) for index, content in named.items()}
    return {name: copies[index] for name, index in entries.items()}
