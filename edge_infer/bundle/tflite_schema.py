"""The TFLite file format: its tables, as far as a runtime reads them, and its tensor types.

Source: TensorFlow's schema.fbs as compiled into ai-edge-litert 2.3 (`ai_edge_litert/schema_py_generated.py`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_infer.bundle.flatbuffer import Schema

IDENTIFIER = b"TFL3"
VERSION = 3  # Source: TFLITE_SCHEMA_VERSION; no runtime accepts another

# Each line is a table and its fields, in the notation of `Schema`.
_TABLES = """
Model 4 [OperatorCode] [SubGraph] s [Buffer] [4] [Metadata] [SignatureDef] [ExternalBufferGroup] [ExternalBuffer]
OperatorCode 1 s 4 4
SubGraph [Tensor] [4] [4] [Operator] s 4
Tensor [4] 1 4 s QuantizationParameters 1 SparsityParameters [4] 1 [VariantSubType] 4
Operator 4 [4] [4] 1 BuiltinOptions? [1] 1 [1] [4] 8 8 1 BuiltinOptions2? 4
Buffer [1] 8 8
Metadata s 4
SignatureDef [TensorMap] [TensorMap] s - 4
TensorMap s 4
QuantizationParameters [4] [4] [4] [8] 1 QuantizationDetails? 4
CustomQuantization [1]
BlockwiseQuantization 4 4 4 [4]
MultiAxisQuantization 4 4 4 [4]
SparsityParameters [4] [4] [DimensionMetadata]
DimensionMetadata 1 4 1 SparseIndexVector? 1 SparseIndexVector?
Int32Vector [4]
Uint16Vector [2]
Uint8Vector [1]
VariantSubType [4] 1 1
ExternalBufferGroup s
ExternalBuffer 4 4 8 8 s
"""

# Each line is a type number, the table and its fields; types that are not listed have no fields.
_BUILTIN_OPTIONS = """
1 Conv2DOptions 1 4 4 1 4 4 1
2 DepthwiseConv2DOptions 1 4 4 4 1 4 4
3 ConcatEmbeddingsOptions 4 [4] [4]
4 LSHProjectionOptions 1
5 Pool2DOptions 1 4 4 4 4 1
6 SVDFOptions 4 1 1
7 RNNOptions 1 1
8 FullyConnectedOptions 1 1 1 1 1 [1]
9 SoftmaxOptions 4
10 ConcatenationOptions 4 1
11 AddOptions 1 1
12 L2NormOptions 1
13 LocalResponseNormalizationOptions 4 4 4 4
14 LSTMOptions 1 4 4 1 1
15 ResizeBilinearOptions - - 1 1
16 CallOptions 4
17 ReshapeOptions [4]
18 SkipGramOptions 4 4 1
19 SpaceToDepthOptions 4
20 EmbeddingLookupSparseOptions 1
21 MulOptions 1
23 GatherOptions 4 4
27 ReducerOptions 1
28 SubOptions 1 1
29 DivOptions 1
30 SqueezeOptions [4]
31 SequenceRNNOptions 1 1 1
32 StridedSliceOptions 4 4 4 4 4 1
35 SplitOptions 4
37 CastOptions 1 1
40 ArgMaxOptions 1
49 TransposeConvOptions 1 4 4 1 1
50 SparseToDenseOptions 1
55 ShapeOptions 1
57 ArgMinOptions 1
58 FakeQuantOptions 4 4 4 1
59 PackOptions 4 4
61 OneHotOptions 4
64 UnpackOptions 4 4
69 BidirectionalSequenceLSTMOptions 1 4 4 1 1 1
70 BidirectionalSequenceRNNOptions 1 1 1 1
71 UnidirectionalSequenceLSTMOptions 1 4 4 1 1 1
74 ResizeNearestNeighborOptions 1 1
75 LeakyReluOptions 4
77 MirrorPadOptions 1
79 SplitVOptions 4
80 UniqueOptions 1
87 ReverseSequenceOptions 4 4
92 IfOptions 4 4
93 WhileOptions 4 4
94 DepthToSpaceOptions 4
101 BatchMatMulOptions 1 1 1
102 CumsumOptions 1 1
103 CallOnceOptions 4
106 Conv3DOptions 1 4 4 4 1 4 4 4
107 HashtableOptions 4 1 1
111 VarHandleOptions s s
114 RandomOptions 8 8
115 BucketizeOptions [4]
116 GeluOptions 1
"""
_BUILTIN_OPTIONS_2 = """
1 StablehloConcatenateOptions 8
2 StablehloBroadcastInDimOptions [8]
3 StablehloSliceOptions [8] [8] [8]
4 StablehloConvolutionOptions [8] [8] [8] [8] [1] 8 8 [8] 8 8 [8] 8 8 [8] 8 8 [4]
5 StablehloCustomCallOptions s 1 s 4 [4] [1]
6 StablehloReduceOptions [8] 4
7 StablehloScatterOptions 1 [8] [8] [8] 8 1 4
8 StablehloCompareOptions 4 4
9 StablehloDynamicSliceOptions [8]
10 StablehloPadOptions [8] [8] [8]
11 StablehloIotaOptions 8
12 StablehloDotGeneralOptions [8] [8] [8] [8] [4]
13 StablehloReduceWindowOptions [8] [8] [8] [8] [8] 4
14 StablehloSortOptions 8 1 4
15 StablehloWhileOptions 4 4
16 StablehloGatherOptions [8] [8] [8] 8 [8] 1
17 StablehloTransposeOptions [8]
19 StablehloRngBitGeneratorOptions 1
20 ReduceWindowOptions 4
21 StableHLOCompositeOptions s 4 [1] 1 4
23 StablehloCaseOptions [4]
"""


@dataclass(frozen=True)
class TensorType:
    """One tensor type: bits of a stored value, 0 if that varies, and its numpy type, None if numpy has none."""

    name: str
    bits: int
    dtype: np.dtype[Any] | None


def _tensor_type(name: str, bits: int, dtype: str = "") -> TensorType:
    return TensorType(name, bits, np.dtype(dtype) if dtype else None)


# By their number; values of 4 and 2 bits are packed in the file, a runtime gives them out as bytes.
TENSOR_TYPES = (
    _tensor_type("FLOAT32", 32, "f4"),
    _tensor_type("FLOAT16", 16, "f2"),
    _tensor_type("INT32", 32, "i4"),
    _tensor_type("UINT8", 8, "u1"),
    _tensor_type("INT64", 64, "i8"),
    _tensor_type("STRING", 0, "O"),
    _tensor_type("BOOL", 8, "?"),
    _tensor_type("INT16", 16, "i2"),
    _tensor_type("COMPLEX64", 64, "c8"),
    _tensor_type("INT8", 8, "i1"),
    _tensor_type("FLOAT64", 64, "f8"),
    _tensor_type("COMPLEX128", 128, "c16"),
    _tensor_type("UINT64", 64, "u8"),
    _tensor_type("RESOURCE", 0),
    _tensor_type("VARIANT", 0),
    _tensor_type("UINT32", 32, "u4"),
    _tensor_type("UINT16", 16, "u2"),
    _tensor_type("INT4", 4, "i1"),
    _tensor_type("BFLOAT16", 16),
    _tensor_type("INT2", 2, "i1"),
    _tensor_type("UINT4", 4, "u1"),
    _tensor_type("FLOAT8_E4M3FN", 8),
    _tensor_type("FLOAT8_E5M2", 8),
)


def _schema() -> Schema:
    lines = [line.split() for line in _TABLES.split("\n") if line]
    unions = {
        "QuantizationDetails": {1: "CustomQuantization", 2: "BlockwiseQuantization", 3: "MultiAxisQuantization"},
        "SparseIndexVector": {1: "Int32Vector", 2: "Uint16Vector", 3: "Uint8Vector"},
    }
    for union, text in (("BuiltinOptions", _BUILTIN_OPTIONS), ("BuiltinOptions2", _BUILTIN_OPTIONS_2)):
        options = [line.split() for line in text.split("\n") if line]
        unions[union] = {int(number): name for number, name, *_ in options}
        lines += [words[1:] for words in options]
    return Schema({name: tuple(fields) for name, *fields in lines}, unions)


SCHEMA = _schema()
