"""The cost of isolation, on a model with an input of 300x300x3 that does next to nothing, and on one that works."""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge_infer.bundle.model_file import read_model
from edge_infer.runtime.interpreter import InterpreterRuntime
from edge_infer.runtime.libraries import find_library
from edge_infer.runtime.pool import isolated
from edge_infer.runtime.runtime import Runtime

SIDE = 300
EACH = 50  # inferences a round
IDLE_S = 0.005  # between two inferences, as a camera has it: both processes sleep, and caches cool down
REAL = "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench-isolated")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--rounds", type=int, default=20, metavar="N")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pool.tflite"
        path.write_bytes(pooling())
        models = [path]
        real = Path(os.environ.get("EDGE_INFER_TESTDATA", "../shared/testdata")) / "models" / REAL
        models += [real] if real.is_file() else []
        rows = [row for model in models for row in measure(model, args.rounds)]
    if args.json:
        print(json.dumps({"isolation": rows}))
        return 0
    for row in rows:
        print(
            f"{row['model']:<50} {row['calls']:<12} in-process {row['in_process_ms']:7.3f} ms, "
            f"isolated {row['isolated_ms']:7.3f} ms, added {row['added_ms']:6.3f} ms"
        )
    return 0


def measure(path: Path, rounds: int) -> list[dict[str, Any]]:
    """Medians of both, back to back and with a pause between the calls."""
    model = read_model(path)
    here, apart = InterpreterRuntime(model), isolated(model, "cpu", find_library())
    inputs = [np.random.default_rng(1).integers(0, 256, spec.shape).astype(spec.dtype) for spec in here.inputs]
    rows = []
    try:
        for calls, pause in (("back to back", lambda: None), ("every 5 ms", lambda: time.sleep(IDLE_S))):
            times: dict[str, list[float]] = {"in_process": [], "isolated": []}
            for _ in range(rounds):
                for name, runtime in (("in_process", here), ("isolated", apart)):
                    times[name] += timed(runtime, inputs, pause)
            medians = {f"{name}_ms": round(statistics.median(each) * 1e3, 3) for name, each in times.items()}
            added = round(medians["isolated_ms"] - medians["in_process_ms"], 3)
            rows.append({"model": path.name, "calls": calls, **medians, "added_ms": added})
    finally:
        apart.close()
    return rows


def timed(runtime: Runtime, inputs: list[Any], pause: Callable[[], object]) -> list[float]:
    """Seconds of each call; the first is left out."""
    times = []
    for _ in range(EACH + 1):
        pause()
        started = time.perf_counter()
        runtime.run(inputs)
        times.append(time.perf_counter() - started)
    return times[1:]


def pooling() -> bytes:
    """A model that takes the largest of each colour of a picture of SIDE x SIDE."""
    model = schema.ModelT()
    model.version, model.description, model.buffers = 3, "pooling", [schema.BufferT()]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.MAX_POOL_2D
    code.version = 2
    model.operatorCodes = [code]
    options = schema.Pool2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideW = options.strideH = options.filterWidth = options.filterHeight = SIDE
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [0], [1]
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.Pool2DOptions, options
    graph = schema.SubGraphT()
    graph.tensors = [_tensor("picture", [1, SIDE, SIDE, 3]), _tensor("largest", [1, 1, 1, 3])]
    graph.inputs, graph.outputs, graph.operators = [0], [1], [operator]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(name: str, shape: list[int]) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, schema.TensorType.UINT8, 0
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale, tensor.quantization.zeroPoint = [1.0], [0]
    return tensor


if __name__ == "__main__":
    raise SystemExit(main())
