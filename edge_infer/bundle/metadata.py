"""TFLite metadata: what a model's author wrote down about its inputs and outputs.

What is damaged is refused; what is whole but cannot be true is left out, and `Metadata.doubts` says so
(docs/zero-configuration.md).

Source: metadata_schema.fbs of tflite-support 0.4 (the numbers of fields, unions and enums below) and, for
`custom_metadata`, of MediaPipe.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from edge_infer.bundle.flatbuffer import Flatbuffer, Table
from edge_infer.bundle.model_file import ModelFile

_BUFFER = "TFLITE_METADATA"
_IDENTIFIER = b"M001"

_COLOR_SPACES = ("unknown", "RGB", "GRAYSCALE")
_BOX_TYPES = ("unknown", "BOUNDARIES", "UPPER_LEFT", "CENTER")
_BOX_COORDINATES = ("RATIO", "PIXEL")
_TRANSFORMS = ("IDENTITY", "LOG", "INVERSE_LOGISTIC")
_FILE_TYPES = (
    "UNKNOWN",
    "DESCRIPTIONS",
    "TENSOR_AXIS_LABELS",
    "TENSOR_VALUE_LABELS",
    "TENSOR_AXIS_SCORE_CALIBRATION",
    "VOCABULARY",
    "SCANN_INDEX_FILE",
)


@dataclass(frozen=True)
class AssociatedFile:
    """A file of the model's archive: what it is for, and the language of its text ("" if not said)."""

    name: str
    type: str
    locale: str


@dataclass(frozen=True)
class ImageContent:
    """The tensor is a picture: "RGB", "GRAYSCALE" or "unknown"."""

    color_space: str


@dataclass(frozen=True)
class BoxContent:
    """The tensor holds boxes.

    Attributes:
        index: where left, top, right, bottom are in the last axis; empty: in this order
        type: "BOUNDARIES", "UPPER_LEFT" (with width, height), "CENTER" (with width, height) or "unknown"
        coordinates: "RATIO" (of the input's size) or "PIXEL"
    """

    index: tuple[int, ...]
    type: str
    coordinates: str


@dataclass(frozen=True)
class AudioContent:
    """The tensor is sound: rate in Hz, number of channels; 0 if not said."""

    sample_rate: int
    channels: int


@dataclass(frozen=True)
class FeatureContent:
    """The tensor is a feature vector: scores, class ids, counts."""


Content: TypeAlias = ImageContent | BoxContent | AudioContent | FeatureContent


@dataclass(frozen=True)
class Normalization:
    """`(x - mean) / std`, one value for all channels or one for each."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class ScoreCalibration:
    """How the calibration file of the tensor is to be applied; `transform` as `parse_calibration` takes it."""

    transform: str
    default_score: float


@dataclass(frozen=True)
class ProcessUnits:
    """What is done with values before or after the model; None where the author says nothing."""

    normalization: Normalization | None = None
    score_calibration: ScoreCalibration | None = None
    score_threshold: float | None = None


@dataclass(frozen=True)
class TensorMetadata(ProcessUnits):
    """One input or output, with `minimum` and `maximum` of its values, for all channels or each."""

    name: str = ""
    description: str = ""
    content: Content | None = None
    minimum: tuple[float, ...] = ()
    maximum: tuple[float, ...] = ()
    files: tuple[AssociatedFile, ...] = ()


@dataclass(frozen=True)
class Metadata:
    """What is known of a model; `inputs` and `outputs` are empty or in the order of its tensors.

    Attributes:
        custom: what tools add in formats of their own, by name
        doubts: what is written there and not believed, for people
    """

    name: str
    description: str
    version: str
    author: str
    license: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
    output_process: ProcessUnits
    files: tuple[AssociatedFile, ...]
    custom: Mapping[str, bytes] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


def read_metadata(model: ModelFile) -> Metadata | None:
    """The model's metadata, None if it has none.

    Raises:
        ModelError: it is damaged.
    """
    data = model.metadata.get(_BUFFER)
    if data is None:
        return None
    buffer = Flatbuffer(data, f"the metadata of {model.path}")
    if data[4:8] != _IDENTIFIER:
        raise buffer.damaged("no metadata identifier M001", 4)
    root = buffer.root()
    graphs = root.tables(3)
    graph = graphs[0] if graphs else None
    doubts: list[str] = []
    return Metadata(
        name=root.string(0),
        description=root.string(1),
        version=root.string(2),
        author=root.string(4),
        license=root.string(5),
        inputs=_tensors(graph.tables(2), len(model.inputs), "input", doubts) if graph else (),
        outputs=_tensors(graph.tables(3), len(model.outputs), "output", doubts) if graph else (),
        output_process=_process_units(graph.tables(6), "the outputs", doubts) if graph else ProcessUnits(),
        files=_files(root.tables(6)) + (_files(graph.tables(4)) if graph else ()),
        custom={table.string(0): bytes(table.data(1)) for table in graph.tables(7)} if graph else {},
        doubts=tuple(doubts),
    )


def _tensors(tables: list[Table], count: int, what: str, doubts: list[str]) -> tuple[TensorMetadata, ...]:
    described = tuple(_tensor(table, f"{what} {place}", doubts) for place, table in enumerate(tables))
    if described and len(described) != count:
        doubts.append(f"it describes {len(described)} {what}s, the model has {count}: what it says of them is left out")
        return ()
    return described


def _tensor(table: Table, where: str, doubts: list[str]) -> TensorMetadata:
    units, stats = _process_units(table.tables(4), where, doubts), table.table(5)
    return TensorMetadata(
        normalization=units.normalization,
        score_calibration=units.score_calibration,
        score_threshold=units.score_threshold,
        name=table.string(0),
        description=table.string(1),
        content=_content(table.table(3), where, doubts),
        minimum=stats.reals(1) if stats else (),
        maximum=stats.reals(0) if stats else (),
        files=_files(table.tables(6)),
    )


def _content(table: Table | None, where: str, doubts: list[str]) -> Content | None:
    properties = table.table(1) if table else None
    if table is None or properties is None:
        return None
    match table.integer(0, "B"):
        case 1:
            return FeatureContent()
        case 2:
            return ImageContent(_choice(properties, 0, _COLOR_SPACES))
        case 3:
            kind, coordinates = _choice(properties, 1, _BOX_TYPES), _choice(properties, 2, _BOX_COORDINATES)
            index = properties.integers(0, "I")
            if index and sorted(index) != [0, 1, 2, 3]:
                doubts.append(f"box index {list(index)} of {where} is no order of four numbers: it is left out")
                return None
            return BoxContent(index, kind, coordinates)
        case 4:
            return AudioContent(properties.integer(0, "I"), properties.integer(1, "I"))
    return None


def _process_units(tables: list[Table], where: str, doubts: list[str]) -> ProcessUnits:
    normalization, calibration, threshold = None, None, None
    for table in tables:
        options = table.table(1)
        kind = table.integer(0, "B") if options else 0
        if options and kind == 1:
            normalization = _normalization(options, where, doubts)
        elif options and kind == 2:
            calibration = ScoreCalibration(_choice(options, 0, _TRANSFORMS), options.real(1))
        elif options and kind == 3:
            threshold = _threshold(options.real(0), where, doubts)
    return ProcessUnits(normalization, calibration, threshold)


def _normalization(table: Table, where: str, doubts: list[str]) -> Normalization | None:
    mean, std = table.reals(0), table.reals(1)
    if not mean or len(mean) != len(std) or 0.0 in std or not all(map(math.isfinite, mean + std)):
        doubts.append(f"normalization of {where} with mean {list(mean)} and std {list(std)} cannot be: it is left out")
        return None
    return Normalization(mean, std)


def _threshold(threshold: float, where: str, doubts: list[str]) -> float | None:
    if 0.0 <= threshold <= 1.0:
        return threshold
    doubts.append(f"score threshold {threshold:g} of {where} does not lie in 0..1: it is left out")
    return None


def _choice(table: Table, field: int, names: tuple[str, ...]) -> str:
    number = table.integer(field, "B")
    if number >= len(names):
        raise table.damaged(f"{number} is none of {', '.join(names)}")
    return names[number]


def _files(tables: list[Table]) -> tuple[AssociatedFile, ...]:
    return tuple(AssociatedFile(table.string(0), _file_type(table), table.string(3)) for table in tables)


def _file_type(table: Table) -> str:
    """Newer versions of the schema have more: a file that we do not know is no reason to refuse a model."""
    number = table.integer(2, "B")
    return _FILE_TYPES[number] if number < len(_FILE_TYPES) else _FILE_TYPES[0]
