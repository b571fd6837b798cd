"""Writes TFLite metadata, right and wrong, for models that tests write.

Source: metadata_schema.fbs of tflite-support 0.4 for the numbers of fields, and of MediaPipe for `custom`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers

GRAYSCALE, RGB = 2, 1
AXIS_LABELS, VALUE_LABELS, CALIBRATION = 2, 3, 4


def metadata(
    *,
    inputs: Sequence[dict[int, Any]] = (),
    outputs: Sequence[dict[int, Any]] = (),
    custom: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    """What `Graph.metadata` takes."""
    extra = [{0: name, 1: content} for name, content in (custom or {}).items()]
    graph = {2: list(inputs), 3: list(outputs), 7: extra}
    return {"TFLITE_METADATA": packed({0: "a test's", 3: [{slot: items for slot, items in graph.items() if items}]})}


def tensor(
    name: str = "",
    *,
    description: str = "",
    color: int | None = None,
    box: Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    labels: str | None = None,
    kind: int = AXIS_LABELS,
    calibration: str | None = None,
    threshold: float | None = None,
) -> dict[int, Any]:
    """The metadata of one input or output."""
    fields: dict[int, Any] = {0: name, 1: description}
    if color is not None:
        fields[3] = {0: ("Uint8", 2), 1: {0: ("Int8", color)}}
    if box is not None:
        fields[3] = {0: ("Uint8", 3), 1: {0: list(box), 1: ("Int8", 1), 2: ("Int8", 0)}}
    units = []
    if mean is not None or std is not None:
        units.append(unit(1, _0=[float(v) for v in mean or ()], _1=[float(v) for v in std or ()]))
    if calibration is not None:
        units.append(unit(2, _0=("Uint8", 0), _1=("Float32", 0.0)))
    if threshold is not None:
        units.append(unit(3, _0=("Float32", threshold)))
    if units:
        fields[4] = units
    if minimum is not None and maximum is not None:
        fields[5] = {0: [float(maximum)], 1: [float(minimum)]}
    files = [{0: labels, 2: ("Int8", kind)}] if labels else []
    files += [{0: calibration, 2: ("Int8", CALIBRATION)}] if calibration else []
    return fields | ({6: files} if files else {})


def unit(kind: int, **fields: Any) -> dict[int, Any]:
    """A process unit."""
    return {0: ("Uint8", kind), 1: {int(name[1:]): value for name, value in fields.items()}}


def detector(anchors: Any, *, scales: Sequence[float] = (1, 1, 1, 1), classes: int, sigmoid: bool = False) -> bytes:
    """MediaPipe's DETECTOR_METADATA; anchors are rows of x, y of the centre, width, height."""
    rows = [{slot: ("Float32", float(value)) for slot, value in enumerate(row)} for row in anchors]
    y, x, h, w = map(float, scales)
    decoding = {
        0: ("Int32", classes),
        1: ("Int32", len(rows)),
        2: ("Int32", 4),
        6: ("Float32", x),
        7: ("Float32", y),
        8: ("Float32", w),
        9: ("Float32", h),
        10: ("Uint8", 1),
        11: ("Uint8", int(sigmoid)),
    }
    return packed({1: {0: {0: rows}}, 2: decoding}, b"V001")


def segmenter(activation: int) -> bytes:
    """MediaPipe's SEGMENTER_METADATA: 0 none, 1 sigmoid, 2 softmax."""
    return packed({0: ("Int8", activation)}, b"V001")


def packed(fields: dict[int, Any], identifier: bytes = b"M001") -> bytes:
    """A flatbuffer: strings, bytes, tables as dicts, lists of tables, floats or integers, and (type, number) pairs."""
    builder = flatbuffers.Builder(256)
    builder.ForceDefaults(True)
    builder.Finish(_table(builder, fields), identifier)
    return bytes(builder.Output())


def _table(builder: Any, fields: dict[int, Any]) -> int:
    offsets = {slot: _value(builder, value) for slot, value in fields.items() if not isinstance(value, tuple)}
    builder.StartObject(12)
    for slot, value in fields.items():
        if isinstance(value, tuple):
            kind, number = value
            getattr(builder, f"Prepend{kind}Slot")(slot, number, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, offsets[slot], 0)
    return int(builder.EndObject())


def _value(builder: Any, value: Any) -> int:
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, bytes):
        return int(builder.CreateByteVector(value))
    if isinstance(value, dict):
        return _table(builder, value)
    items = [item if isinstance(item, float | int) else _table(builder, item) for item in value]
    kinds = {float: builder.PrependFloat32, int: builder.PrependUint32}
    builder.StartVector(4, len(items), 4)
    for item, given in zip(reversed(items), reversed(value), strict=True):
        kinds.get(type(given), builder.PrependUOffsetTRelative)(item)
    return int(builder.EndVector())
