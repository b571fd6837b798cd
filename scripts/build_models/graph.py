"""Clean-up of a .tflite graph before it is quantised; the outputs stay the same, bit for bit.

What it is for: MediaPipe's models keep their weights as float16 behind DEQUANTIZE, carry operator codes from before
schema version 3a, and have RELU as an operator of its own. A quantiser leaves such a graph in dozens of pieces that
XNNPACK runs 4 to 8 times slower.
"""

from collections import Counter
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

OPS = schema.BuiltinOperator
FUSABLE = (OPS.CONV_2D, OPS.DEPTHWISE_CONV_2D, OPS.ADD, OPS.FULLY_CONNECTED)
ACTIVATIONS = {
    OPS.RELU: schema.ActivationFunctionType.RELU,
    OPS.RELU6: schema.ActivationFunctionType.RELU6,
}


def clean(data: bytes) -> bytes:
    """The same model with constants folded, codes upgraded, RELU fused, dead parts dropped, and a signature."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = model.subgraphs[0]
    upgrade_codes(model)
    fold_constants(model, graph, data)
    fuse_activations(model, graph)
    drop_dead(model, graph)
    add_signature(model, graph)
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def code(model: Any, operator: Any) -> int:
    """The builtin operator's number."""
    return int(model.operatorCodes[operator.opcodeIndex].builtinCode)


def upgrade_codes(model: Any) -> None:
    """Old models give the code in a field of one byte only; quantisers read the new one, which says ADD there."""
    for entry in model.operatorCodes:
        entry.builtinCode = max(entry.builtinCode, entry.deprecatedBuiltinCode)


def fold_constants(model: Any, graph: Any, data: bytes) -> None:
    """Replace DEQUANTIZE and DENSIFY of constants by their results, which the interpreter itself computes."""
    interpreter = Interpreter(
        model_content=data,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    for given in interpreter.get_input_details():
        interpreter.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
    interpreter.invoke()
    constant = {i for i, tensor in enumerate(graph.tensors) if is_constant(model, tensor)}
    kept = []
    for operator in graph.operators:
        if code(model, operator) in (OPS.DEQUANTIZE, OPS.DENSIFY) and constant.issuperset(map(int, operator.inputs)):
            output = int(operator.outputs[0])
            value = np.ascontiguousarray(interpreter.get_tensor(output))
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(value.tobytes(), np.uint8)
            model.buffers.append(buffer)
            tensor = graph.tensors[output]
            tensor.buffer, tensor.quantization, tensor.sparsity = len(model.buffers) - 1, None, None
            constant.add(output)
        else:
            kept.append(operator)
    graph.operators = kept


def is_constant(model: Any, tensor: Any) -> bool:
    """True for a tensor whose values are in the file."""
    content = model.buffers[tensor.buffer].data
    return content is not None and len(content) > 0


def fuse_activations(model: Any, graph: Any) -> None:
    """Make RELU the activation of the operator before it, where nobody else reads that one's output."""
    readers = Counter(int(i) for operator in graph.operators for i in operator.inputs)
    makers = {int(i): operator for operator in graph.operators for i in operator.outputs}
    outputs = set(map(int, graph.outputs))
    kept = []
    for operator in graph.operators:
        source = int(operator.inputs[0])
        maker = makers.get(source)
        fusable = (
            code(model, operator) in ACTIVATIONS
            and maker is not None
            and readers[source] == 1
            and source not in outputs
            and code(model, maker) in FUSABLE
            and maker.builtinOptions.fusedActivationFunction == schema.ActivationFunctionType.NONE
        )
        if not fusable:
            kept.append(operator)
            continue
        maker.builtinOptions.fusedActivationFunction = ACTIVATIONS[code(model, operator)]
        maker.outputs = [operator.outputs[0]]
        makers[int(operator.outputs[0])] = maker
    graph.operators = kept


def drop_dead(model: Any, graph: Any) -> None:
    """Drop tensors, buffers, operator codes and metadata that nothing uses any more."""
    used = {int(i) for operator in graph.operators for i in (*operator.inputs, *operator.outputs)}
    used |= {int(i) for i in (*graph.inputs, *graph.outputs)}
    alive = [i for i in range(len(graph.tensors)) if i in used]
    place = {old: new for new, old in enumerate(alive)} | {-1: -1}
    for holder in (graph, *graph.operators):
        holder.inputs = [place[int(i)] for i in holder.inputs]
        holder.outputs = [place[int(i)] for i in holder.outputs]
    graph.tensors = [graph.tensors[i] for i in alive]
    buffers = [model.buffers[0]]  # the empty one, by convention
    for tensor in graph.tensors:
        if tensor.buffer:
            buffers.append(model.buffers[tensor.buffer])
            tensor.buffer = len(buffers) - 1
    model.buffers = buffers
    model.metadata, model.metadataBuffer = None, None
    codes = sorted({operator.opcodeIndex for operator in graph.operators})
    model.operatorCodes = [model.operatorCodes[i] for i in codes]
    for operator in graph.operators:
        operator.opcodeIndex = codes.index(operator.opcodeIndex)


def add_signature(model: Any, graph: Any) -> None:
    """Name inputs and outputs, as TensorFlow 2 exports do."""

    def named(index: int) -> Any:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = graph.tensors[index].name, index
        return entry

    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs = [named(i) for i in graph.inputs]
    signature.outputs = [named(i) for i in graph.outputs]
    model.signatureDefs = [signature]
