"""All kinds of models."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module

from edge_infer import plugins
from edge_infer.errors import ModelError, UnavailableError
from edge_infer.kinds.kind import Clues, Kind

log = logging.getLogger(__name__)

# Where each kind is, in the order in which they are tried: the surest sign first. A module is imported when it is its
# turn: all of them would make the start of a daemon a tenth of a second longer on a PC.
HOMES = {
    "ssd": "ssd:SSD",
    "yolo": "yolo:YOLO",
    "yolo-segment": "yolo:YOLO_SEGMENT",
    "yolo-pose": "yolo:YOLO_POSE",
    "yolo-obb": "yolo:YOLO_OBB",
    "yolo-semantic": "yolo_semantic:YOLO_SEMANTIC",
    "yolox": "yolo:YOLOX",
    "yolo-classify": "yolo_classify:YOLO_CLASSIFY",
    "yolov5-classify": "yolo_classify:YOLOV5_CLASSIFY",
    "blazeface": "blazeface:BLAZEFACE",
    "ssd-raw": "ssd_raw:SSD_RAW",
    "efficientdet": "efficientdet:EFFICIENTDET",
    "movenet": "movenet:MOVENET",
    "movenet-multi": "movenet:MOVENET_MULTI",
    "posenet-op": "posenet:POSENET_OP",
    "posenet": "posenet:POSENET",
    "landmarks": "landmarks:LANDMARKS",
    "centernet": "centernet:CENTERNET",
    "wake-word": "wake_word:WAKE_WORD",
    "yamnet": "yamnet:YAMNET",
    "fomo": "fomo:FOMO",
    "segment": "segment:SEGMENT",
    "embed": "embed:EMBED",
    "classify": "classify:CLASSIFY",
    "regress": "regress:REGRESS",
    "anomaly": "anomaly:ANOMALY",
    "tensors": "tensors:TENSORS",
}


def built_in() -> Iterator[Kind]:
    """All that need no plug-in."""
    return map(_built_in, HOMES)


def _built_in(name: str) -> Kind:
    module, _, constant = HOMES[name].partition(":")
    kind: Kind = getattr(import_module(f"edge_infer.kinds.{module}"), constant)
    return kind


def kind_of(name: str) -> Kind:
    """The kind of this name.

    Raises:
        ModelError: there is none; the message lists all.
        UnavailableError: it is a plug-in's, which cannot be loaded.
    """
    if name in HOMES:
        return _built_in(name)
    if plugged := plugins.find(plugins.DECODERS, name, Kind):
        return _guarded(name, plugged)
    known = ", ".join([*HOMES, *plugins.installed(plugins.DECODERS)])
    raise ModelError(f"there is no kind of model '{name}'; there are {known} (`--decoder`, or `decode: {{kind: ...}}`)")


def recognise(clues: Clues) -> tuple[Kind, str]:
    """The kind that the files tell, and by what.

    Raises:
        ModelError: what the model does cannot be known; the message lists the choices.
    """
    for kind in built_in():
        if reason := kind.recognise(clues):
            return kind, reason
    plugged = [_guarded(name, kind) for name, kind in plugins.load(plugins.DECODERS, Kind).items()]
    for kind in plugged:
        try:
            if reason := kind.recognise(clues):
                return kind, reason
        except UnavailableError as error:
            log.warning("%s", error)
    listed = ", ".join(f"{spec.name or 'unnamed'} {list(spec.shape)} {spec.dtype}" for spec in clues.outputs)
    choices = "\n".join(f"  {kind.name:<12} {kind.summary}" for kind in (*built_in(), *plugged))
    raise ModelError(
        f"what {clues.model.path} does cannot be known from the file (its outputs: {listed}); say which decoder, "
        f"with --decoder, or decode: {{kind: ...}} in a configuration{_also(clues)}:\n{choices}"
    )


def _also(clues: Clues) -> str:
    """What else will have to be said."""
    said = clues.metadata.inputs if clues.metadata else ()
    floats = any(spec.dtype.kind == "f" for spec in clues.model.inputs)
    if not floats or any(tensor.normalization for tensor in said):
        return ""
    return "; and how pixels become floats, with --mean and --std, where the decoder has no usual way"


def _guarded(name: str, kind: Kind) -> Kind:
    """A plug-in's kind, whose failures name its package."""
    return replace(
        kind,
        build=plugins.guarded(plugins.DECODERS, name, kind.build),
        recognise=plugins.guarded(plugins.DECODERS, name, kind.recognise),
    )
