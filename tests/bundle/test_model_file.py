import hashlib
import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import ADD, LOGISTIC, RESHAPE, SOFTMAX, Graph, Op, Tensor, model_bytes

from edge_infer.bundle.model_file import Signature, read_model
from edge_infer.errors import ModelError, UnavailableError
from edge_infer.types import TensorSpec

CONCATENATION, DEQUANTIZE, CAST, ARG_MAX, QUANTIZE = 2, 6, 53, 56, 114  # Source: enum BuiltinOperator of schema.fbs

MODELS = [
    "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29",
    "deeplabv3_mnv2_dm05_pascal_quant",
    "keras_lstm_mnist_ptq",
    "keras_lstm_mnist_ptq_edgetpu",
    "mobilenet_v1_0.25_128_quant",
    "mobilenet_v1_0.25_128_quant_edgetpu",
    "mobilenet_v1_0.25_224_quant",
    "mobilenet_v2_1.0_224_quant",
    "model_invoking_error",
    "movenet_single_pose_lightning_ptq",
    "yamnet_audio_classifier_with_metadata",
]


def interpreter(path: Path) -> Any:
    try:
        library = importlib.import_module("ai_edge_litert.interpreter")
    except ImportError:
        library = pytest.importorskip("tflite_runtime.interpreter")
    return library.Interpreter(str(path))


def as_spec(details: dict[str, Any]) -> TensorSpec:
    quantization = details["quantization_parameters"]
    scale = tuple(quantization["scales"].tolist())
    return TensorSpec(
        details["name"],
        tuple(details["shape"].tolist()),
        np.dtype(details["dtype"]),
        scale if any(scale) else (),
        tuple(quantization["zero_points"].tolist()) if any(scale) else (),
        quantization["quantized_dimension"],
    )


def assert_agrees_with_the_runtime(path: Path) -> None:
    model, runtime = read_model(path), interpreter(path)
    assert list(model.inputs) == [as_spec(details) for details in runtime.get_input_details()]
    assert list(model.outputs) == [as_spec(details) for details in runtime.get_output_details()]


@pytest.mark.parametrize("name", MODELS)
def test_inputs_and_outputs_are_those_that_the_runtime_reports(testdata: Path, name: str) -> None:
    assert_agrees_with_the_runtime(testdata / "models" / f"{name}.tflite")


def test_the_model_of_this_repository_reads() -> None:
    path = Path(__file__).parents[2] / "models" / "face-detection" / "model.tflite"
    if not path.exists():
        pytest.skip("the repository has no model yet")
    assert_agrees_with_the_runtime(path)


def test_a_built_model_tells_what_is_in_it(write: Callable[..., Path]) -> None:
    path = write()
    model = read_model(path)
    assert (model.path, model.size, model.description) == (path, path.stat().st_size, "adds")
    assert model.inputs == (TensorSpec("x", (2,), np.dtype(np.float32)),)
    assert model.outputs == (TensorSpec("y", (2,), np.dtype(np.float32)),)
    assert (model.operators, model.output_operators, model.custom_ops) == (("ADD",), ("ADD",), frozenset())
    assert model.signatures == {"serving_default": Signature({"left": 0}, {"sum": 0})}
    assert model.metadata == {"min_runtime_version": b"1.5.0\0"}
    assert dict(model.files) == {}
    assert not model.edgetpu
    assert_agrees_with_the_runtime(path)


def test_operators_are_named_and_the_post_processing_makes_all_outputs(testdata: Path) -> None:
    model = read_model(testdata / "models" / f"{MODELS[0]}.tflite")
    assert model.custom_ops == {"TFLite_Detection_PostProcess"}
    assert model.output_operators == ("TFLite_Detection_PostProcess",) * 4
    assert model.operators[:2] == ("CONV_2D", "DEPTHWISE_CONV_2D")
    assert model.operators[-1] == "TFLite_Detection_PostProcess"


@pytest.mark.parametrize("name", MODELS)
def test_a_model_for_the_edge_tpu_is_known_as_such(testdata: Path, name: str) -> None:
    assert read_model(testdata / "models" / f"{name}.tflite").edgetpu == name.endswith("_edgetpu")


def test_an_output_that_no_operator_makes_has_no_operator_name(write: Callable[..., Path]) -> None:
    def pass_through(model: Any) -> None:
        model.subgraphs[0].outputs = [2, 0]

    assert read_model(write(pass_through)).output_operators == ("ADD", "")


def graph_of(chain: list[int], inputs: dict[int, list[str]] | None = None) -> bytes:
    """A model of one operator behind the other."""
    names = [f"t{i}" for i in range(len(chain) + 1)]
    ops = [Op(code, (inputs or {}).get(i, [names[i]]), [names[i + 1]]) for i, code in enumerate(chain)]
    return model_bytes(Graph([Tensor(name, (1, 4)) for name in names], ["t0"], [names[-1]], ops))


@pytest.mark.parametrize(
    ("chain", "name"),
    [
        ([SOFTMAX, DEQUANTIZE], "SOFTMAX"),
        ([LOGISTIC, QUANTIZE, RESHAPE], "LOGISTIC"),
        ([ARG_MAX, CAST], "ARG_MAX"),
        ([SOFTMAX, ADD, RESHAPE], "ADD"),
        ([RESHAPE], "RESHAPE"),
    ],
)
def test_what_only_stores_values_otherwise_is_looked_through(tmp_path: Path, chain: list[int], name: str) -> None:
    (tmp_path / "m.tflite").write_bytes(graph_of(chain))
    model = read_model(tmp_path / "m.tflite")
    assert model.output_operators == (name,)


@pytest.mark.parametrize(
    ("parts", "name"), [((LOGISTIC, LOGISTIC), "LOGISTIC"), ((LOGISTIC, ADD), "CONCATENATION"), ((ADD, ADD), "CONCAT")]
)
def test_activations_that_are_joined_count_as_one(tmp_path: Path, parts: tuple[int, int], name: str) -> None:
    (tmp_path / "m.tflite").write_bytes(graph_of([*parts, CONCATENATION], {1: ["t0"], 2: ["t1", "t2"]}))
    assert read_model(tmp_path / "m.tflite").output_operators[0].startswith(name)


def test_operators_that_run_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(graph_of([RESHAPE, RESHAPE], {0: ["t2"]}))
    assert read_model(tmp_path / "m.tflite").output_operators == ("RESHAPE",)


def test_per_channel_quantisation_is_read(write: Callable[..., Path], schema: Any) -> None:
    def quantise(model: Any) -> None:
        tensor = model.subgraphs[0].tensors[2]
        tensor.type = schema.TensorType.INT8
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [0.5, 0.25], [1, -2]

    (output,) = read_model(write(quantise)).outputs
    assert (output.dtype, output.scale, output.zero_point) == (np.int8, (0.5, 0.25), (1, -2))


def test_a_scale_of_zero_means_not_quantised(write: Callable[..., Path], schema: Any) -> None:
    def quantise(model: Any) -> None:
        tensor = model.subgraphs[0].tensors[2]
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [0.0], [0]

    assert read_model(write(quantise)).outputs[0].scale == ()


def test_the_checksum_is_that_of_the_file(write: Callable[..., Path]) -> None:
    path = write()
    assert read_model(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_checksum_of_a_file_that_was_replaced_is_refused(write: Callable[..., Path]) -> None:
    path = write()
    model = read_model(path)
    os.utime(path, ns=(0, 1))
    with pytest.raises(ModelError, match="was replaced while it was in use"):
        _ = model.sha256


def test_the_checksum_of_a_file_that_is_gone_is_refused(write: Callable[..., Path]) -> None:
    path = write()
    model = read_model(path)
    path.unlink()
    with pytest.raises(UnavailableError, match="cannot read the model"):
        _ = model.sha256


def test_a_signature_of_an_output_that_is_given_twice_means_the_first(write: Callable[..., Path]) -> None:
    def double(model: Any) -> None:
        model.subgraphs[0].outputs = [0, 2, 2]

    assert read_model(write(double)).signatures["serving_default"].outputs == {"sum": 1}


def test_reading_needs_neither_a_runtime_nor_the_flatbuffers_package(write: Callable[..., Path]) -> None:
    program = (
        "import sys; from edge_infer.bundle.model_file import read_model; print(read_model(sys.argv[1]).operators);"
        "assert not {'ai_edge_litert', 'tflite_runtime', 'flatbuffers', 'cv2'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(write())], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("('ADD',)\n", 0), done.stderr
