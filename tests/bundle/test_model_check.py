import random
import re
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_infer.bundle.flatbuffer import Flatbuffer
from edge_infer.bundle.model_check import check_model
from edge_infer.bundle.model_file import read_model
from edge_infer.bundle.operator_names import name_of
from edge_infer.bundle.tflite_schema import TENSOR_TYPES
from edge_infer.errors import ModelError


def assert_every_cut_is_refused(path: Path, step: int) -> None:
    data = path.read_bytes()
    buffer = Flatbuffer(data, "model")
    check_model(buffer)
    for cut in {*range(0, buffer.end, step), *range(buffer.end - 40, buffer.end)}:
        path.write_bytes(data[:cut])
        with pytest.raises(ModelError):
            read_model(path)


def test_a_small_model_is_refused_wherever_it_is_cut(write: Callable[..., Path]) -> None:
    assert_every_cut_is_refused(write(), step=1)


@pytest.mark.parametrize(
    "name", ["keras_lstm_mnist_ptq", "mobilenet_v1_0.25_128_quant_edgetpu", "model_invoking_error"]
)
def test_a_real_model_is_refused_wherever_it_is_cut(testdata: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes((testdata / "models" / f"{name}.tflite").read_bytes())
    assert_every_cut_is_refused(path, step=max(1, path.stat().st_size // 200))


def test_nothing_but_files_and_padding_is_left_out_of_the_check(testdata: Path) -> None:
    for path in (testdata / "models").glob("*.tflite"):
        buffer = Flatbuffer(path.read_bytes(), path.name)
        check_model(buffer)
        rest = bytes(buffer.data[buffer.end :]).lstrip(b"\0")
        assert rest.startswith(b"PK\x03\x04") or not rest, path


def test_the_message_says_where_the_damage_is(write: Callable[..., Path]) -> None:
    path = write()
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ModelError, match=rf"^{re.escape(str(path))} is damaged: .* at byte \d+ of \d+: copy or export"):
        read_model(path)


def test_flipped_bits_are_refused_or_accepted_but_never_crash(write: Callable[..., Path]) -> None:
    path, chance = write(), random.Random(20240501)
    data = path.read_bytes()
    outcomes = set()
    for _ in range(1500):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 8))):
            damaged[chance.randrange(8, len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        path.write_bytes(damaged)
        try:
            read_model(path)
            outcomes.add("accepted")
        except ModelError:
            outcomes.add("refused")
    assert outcomes == {"accepted", "refused"}


def test_flipped_bytes_of_a_real_model_never_crash(testdata: Path, tmp_path: Path) -> None:
    data = (testdata / "models" / "keras_lstm_mnist_ptq.tflite").read_bytes()
    path, chance = tmp_path / "model.tflite", random.Random(20240502)
    for _ in range(500):
        damaged = bytearray(data)
        damaged[chance.randrange(8, len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        with suppress(ModelError):
            read_model(path)


def first_tensor(model: Any) -> Any:
    return model.subgraphs[0].tensors[0]


DAMAGES: dict[str, Callable[[Any], object]] = {
    "schema version 2": lambda m: setattr(m, "version", 2),
    "a model without a graph": lambda m: setattr(m, "subgraphs", []),
    "input 3 is not a tensor, there are 3": lambda m: setattr(m.subgraphs[0].operators[0], "inputs", [0, 3]),
    "input -2 is not a tensor": lambda m: setattr(m.subgraphs[0].operators[0], "inputs", [0, -2]),
    "output 9 is not a tensor": lambda m: setattr(m.subgraphs[0].operators[0], "outputs", [9]),
    "intermediate 9 is not a tensor": lambda m: setattr(m.subgraphs[0].operators[0], "intermediates", [9]),
    "input -1 is not a tensor": lambda m: setattr(m.subgraphs[0], "inputs", [-1]),
    "output 3 is not a tensor": lambda m: setattr(m.subgraphs[0], "outputs", [3]),
    "an operator has code 1, there are 1": lambda m: setattr(m.subgraphs[0].operators[0], "opcodeIndex", 1),
    "operator code -1": lambda m: (
        setattr(m.operatorCodes[0], "builtinCode", -1),
        setattr(m.operatorCodes[0], "deprecatedBuiltinCode", -1),
    ),
    "a custom operator without a name": lambda m: setattr(m.operatorCodes[0], "builtinCode", 32),
    "a tensor has buffer 3, there are 3": lambda m: setattr(first_tensor(m), "buffer", 3),
    "a tensor has shape (-1,)": lambda m: setattr(first_tensor(m), "shape", [-1]),
    "a tensor has shape (1, 1": lambda m: setattr(first_tensor(m), "shape", [1] * 33),
    "unknown tensor type 99": lambda m: setattr(first_tensor(m), "type", 99),
    "unknown tensor type -1": lambda m: setattr(first_tensor(m), "type", -1),
    "type VARIANT, which numpy has not": lambda m: setattr(first_tensor(m), "type", 14),
    "a constant FLOAT32 of shape (3,) has 8 bytes instead of 12": lambda m: setattr(
        m.subgraphs[0].tensors[1], "shape", [3]
    ),
    "a constant list of strings": lambda m: setattr(m.subgraphs[0].tensors[1], "type", 5),
    "a constant behind the model of 8 bytes ends outside the file": lambda m: (
        setattr(m.buffers[1], "data", None),
        setattr(m.buffers[1], "offset", 1 << 40),
        setattr(m.buffers[1], "size", 8),
    ),
    "options of a custom operator of 8 bytes ends outside the file": lambda m: (
        setattr(m.subgraphs[0].operators[0], "largeCustomOptionsOffset", 1 << 40),
        setattr(m.subgraphs[0].operators[0], "largeCustomOptionsSize", 8),
    ),
    "metadata 'min_runtime_version' is in buffer 7 of 3": lambda m: setattr(m.metadata[0], "buffer", 7),
    "a signature is of graph 1, there are 1": lambda m: setattr(m.signatureDefs[0], "subgraphIndex", 1),
    "signature tensor 8 is not a tensor": lambda m: setattr(m.signatureDefs[0].outputs[0], "tensorIndex", 8),
    "'sum' is neither input nor output": lambda m: setattr(m.signatureDefs[0].outputs[0], "tensorIndex", 1),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_what_a_runtime_takes_for_granted_is_checked(write: Callable[..., Path], message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        read_model(write(DAMAGES[message]))


def test_metadata_that_shares_its_bytes_is_refused(write: Callable[..., Path], schema: Any) -> None:
    def enlarge(model: Any) -> None:
        for number in (1, 2):
            model.buffers[number].data = np.zeros(10_000 if number == 1 else 10, np.uint8)
        model.subgraphs[0].tensors[1].buffer = 0
        again = schema.MetadataT()
        again.name, again.buffer = "again", 1
        model.metadata.append(again)

    path = write(enlarge)
    data = bytearray(path.read_bytes())
    buffer = Flatbuffer(bytes(data), "model")
    large, small = (table.place(0, 4) for table in buffer.root().tables(4)[1:])
    struct.pack_into("<I", data, small, buffer.follow(large) - small)
    path.write_bytes(data)
    with pytest.raises(ModelError, match="overlapping metadata"):
        read_model(path)


def test_scales_without_zero_points_are_refused(write: Callable[..., Path], schema: Any) -> None:
    def quantise(model: Any) -> None:
        first_tensor(model).quantization = schema.QuantizationParametersT()
        first_tensor(model).quantization.scale = [0.5]

    with pytest.raises(ModelError, match="'x' has 1 scales and 0 zero points"):
        read_model(write(quantise))


def test_an_optional_input_of_an_operator_is_sound(write: Callable[..., Path]) -> None:
    assert read_model(write(lambda m: setattr(m.subgraphs[0].operators[0], "inputs", [0, 1, -1]))).operators == ("ADD",)


def constant(model: Any, kind: int, shape: list[int], data: bytes) -> None:
    model.subgraphs[0].tensors[1].type, model.subgraphs[0].tensors[1].shape = kind, shape
    model.buffers[1].data = np.frombuffer(data, np.uint8)


RARITIES = {
    "int4, two to a byte": (17, [3], b"12"),
    "int2, four to a byte": (19, [5], b"12"),
    "a resource": (13, [], b"any"),
    "strings": (5, [2], np.array([2, 16, 17, 19], "<u4").tobytes() + b"abb"),
    "no strings": (5, [0], np.array([0, 8], "<u4").tobytes()),
    "a scalar": (0, [], b"1234"),
}


@pytest.mark.parametrize("name", RARITIES)
def test_constants_of_unusual_types_are_sound(write: Callable[..., Path], name: str) -> None:
    read_model(write(lambda m: constant(m, *RARITIES[name])))


def test_strings_that_point_outside_their_constant_are_refused(write: Callable[..., Path]) -> None:
    table = np.array([2, 16, 99, 19], "<u4").tobytes() + b"abb"
    with pytest.raises(ModelError, match="a constant list of strings"):
        read_model(write(lambda m: constant(m, 5, [2], table)))


def test_strings_are_read_as_objects(write: Callable[..., Path]) -> None:
    assert read_model(write(lambda m: setattr(first_tensor(m), "type", 5))).inputs[0].dtype == object


def test_a_sparse_constant_has_its_own_size(write: Callable[..., Path], schema: Any) -> None:
    def thin(model: Any) -> None:
        model.subgraphs[0].tensors[1].shape = [100]
        model.subgraphs[0].tensors[1].sparsity = schema.SparsityParametersT()

    read_model(write(thin))


def test_a_constant_behind_the_flatbuffer_is_checked_and_is_no_archive(
    build: Callable[..., bytes], tmp_path: Path
) -> None:
    def outside(model: Any, offset: int) -> None:
        model.buffers[1].data, model.buffers[1].offset, model.buffers[1].size = None, offset, 8

    size = len(build(lambda m: outside(m, 1 << 20)))
    path = tmp_path / "model.tflite"
    path.write_bytes(build(lambda m: outside(m, size)) + bytes(8))
    assert read_model(path).size == size + 8
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match="a constant behind the model of 8 bytes ends outside the file"):
        read_model(path)


def test_an_operator_that_is_newer_than_our_table_has_its_number_as_name(write: Callable[..., Path]) -> None:
    assert read_model(write(lambda m: setattr(m.operatorCodes[0], "builtinCode", 999))).operators == ("OPERATOR_999",)


def test_operator_names_are_those_of_the_schema(schema: Any) -> None:
    codes = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    assert {code: name_of(code) for code in codes} == codes


def test_tensor_types_are_those_of_the_schema(schema: Any) -> None:
    names = {number: name for name, number in vars(schema.TensorType).items() if not name.startswith("_")}
    assert dict(enumerate(kind.name for kind in TENSOR_TYPES)) == names
