from typing import Any

import numpy as np
import pytest

schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="needs LiteRT: it carries the schema")
flatbuffers = pytest.importorskip("flatbuffers")
from ai_edge_litert.interpreter import Interpreter, OpResolverType  # noqa: E402
from build_models import graph as cleanup  # noqa: E402

OPS, TYPES, ACTIVATIONS = schema.BuiltinOperator, schema.TensorType, schema.ActivationFunctionType
X, HALF, WEIGHT, SUM, RESULT, UNUSED = range(6)
WEIGHTS = np.float16([[0.5, -1.5, 0.25, -3.0]])


def tensor(name: str, kind: int = TYPES.FLOAT32, buffer: int = 0) -> Any:
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = name, np.int32([1, 4]), kind, buffer
    return made


def operator(opcode: int, inputs: list[int], outputs: list[int], options: Any = None, kind: int = 0) -> Any:
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = opcode, np.int32(inputs), np.int32(outputs)
    made.builtinOptions, made.builtinOptionsType = options, kind
    return made


def buffer(content: bytes = b"") -> Any:
    made = schema.BufferT()
    made.data = np.frombuffer(content, np.uint8) if content else None
    return made


def opcode(old: int) -> Any:
    """As models from before schema version 3a have it: the new field is left at 0, which means ADD."""
    made = schema.OperatorCodeT()
    made.deprecatedBuiltinCode, made.builtinCode, made.version = old, 0, 1
    return made


def old_model(outputs: tuple[int, ...] = (RESULT,)) -> Any:
    """x + dequantize(float16 weights), then RELU; one tensor and one buffer that nobody uses."""
    add = schema.AddOptionsT()
    add.fusedActivationFunction = ACTIVATIONS.NONE
    part = schema.SubGraphT()
    part.tensors = [
        tensor("x"),
        tensor("half", TYPES.FLOAT16, buffer=1),
        tensor("weight"),
        tensor("sum"),
        tensor("result"),
        tensor("unused", buffer=2),
    ]
    part.inputs, part.outputs = np.int32([X]), np.int32(outputs)
    part.operators = [
        operator(0, [HALF], [WEIGHT]),
        operator(1, [X, WEIGHT], [SUM], add, schema.BuiltinOptions.AddOptions),
        operator(2, [SUM], [RESULT]),
    ]
    model = schema.ModelT()
    model.version, model.subgraphs = 3, [part]
    model.operatorCodes = [opcode(OPS.DEQUANTIZE), opcode(OPS.ADD), opcode(OPS.RELU)]
    model.buffers = [buffer(), buffer(WEIGHTS.tobytes()), buffer(bytes(16))]
    return model


def packed(model: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def unpacked(data: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(data, 0)


def answer(data: bytes, x: Any) -> Any:
    interpreter = Interpreter(
        model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_a_cleaned_model_answers_the_same_bit_for_bit() -> None:
    before = packed(old_model())
    x = np.float32([[1, 1, -1, 5]])
    np.testing.assert_array_equal(answer(before, x), np.maximum(x + WEIGHTS.astype(np.float32), 0))
    np.testing.assert_array_equal(answer(cleanup.clean(before), x), answer(before, x))


def test_a_model_is_cleaned_to_the_same_bytes_each_time() -> None:
    before = packed(old_model())
    assert cleanup.clean(before) == cleanup.clean(before)


def test_float16_weights_become_float32_constants() -> None:
    cleaned = unpacked(cleanup.clean(packed(old_model())))
    part = cleaned.subgraphs[0]
    assert [cleanup.code(cleaned, op) for op in part.operators] == [OPS.ADD]
    weight = part.tensors[part.operators[0].inputs[1]]
    values = np.frombuffer(bytes(cleaned.buffers[weight.buffer].data), np.float32)
    np.testing.assert_array_equal(values, WEIGHTS[0].astype(np.float32))


def test_what_nobody_uses_is_dropped() -> None:
    cleaned = unpacked(cleanup.clean(packed(old_model())))
    assert [t.name for t in cleaned.subgraphs[0].tensors] == [b"x", b"weight", b"result"]
    assert len(cleaned.buffers) == 2  # the empty one, and the weights
    assert len(cleaned.operatorCodes) == 1


def test_the_signature_names_the_input_and_the_output() -> None:
    cleaned = unpacked(cleanup.clean(packed(old_model())))
    (signature,) = cleaned.signatureDefs
    names = [t.name for t in cleaned.subgraphs[0].tensors]
    assert signature.signatureKey == b"serving_default"
    assert [(m.name, names[m.tensorIndex]) for m in signature.inputs] == [(b"x", b"x")]
    assert [(m.name, names[m.tensorIndex]) for m in signature.outputs] == [(b"result", b"result")]


def test_an_old_operator_code_moves_to_the_new_field() -> None:
    model = old_model()
    cleanup.upgrade_codes(model)
    assert [entry.builtinCode for entry in model.operatorCodes] == [OPS.DEQUANTIZE, OPS.ADD, OPS.RELU]


def fused(model: Any) -> tuple[int, int]:
    """(the activation of ADD, the number of operators) after the pass."""
    cleanup.upgrade_codes(model)
    part = model.subgraphs[0]
    cleanup.fuse_activations(model, part)
    return part.operators[1].builtinOptions.fusedActivationFunction, len(part.operators)


def test_a_relu_becomes_the_activation_of_what_comes_before_it() -> None:
    model = old_model()
    assert fused(model) == (ACTIVATIONS.RELU, 2)
    assert list(model.subgraphs[0].operators[1].outputs) == [RESULT]


def test_a_relu_stays_where_its_input_is_an_output_too() -> None:
    assert fused(old_model(outputs=(RESULT, SUM))) == (ACTIVATIONS.NONE, 3)


def test_a_relu_stays_where_someone_else_reads_its_input() -> None:
    model = old_model()
    model.subgraphs[0].operators.append(operator(2, [SUM], [UNUSED]))
    assert fused(model) == (ACTIVATIONS.NONE, 4)


def test_a_relu_stays_where_there_is_an_activation_already() -> None:
    model = old_model()
    model.subgraphs[0].operators[1].builtinOptions.fusedActivationFunction = ACTIVATIONS.RELU6
    assert fused(model) == (ACTIVATIONS.RELU6, 3)
