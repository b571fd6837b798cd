"""All kinds of models."""

import logging
from dataclasses import replace

from edge_infer import plugins
from edge_infer.errors import ModelError, UnavailableError
from edge_infer.kinds.blazeface import BLAZEFACE
from edge_infer.kinds.centernet import CENTERNET
from edge_infer.kinds.classify import CLASSIFY
from edge_infer.kinds.efficientdet import EFFICIENTDET
from edge_infer.kinds.embed import EMBED
from edge_infer.kinds.fomo import FOMO
from edge_infer.kinds.kind import Clues, Kind
from edge_infer.kinds.landmarks import LANDMARKS
from edge_infer.kinds.movenet import MOVENET, MOVENET_MULTI
from edge_infer.kinds.posenet import POSENET, POSENET_OP
from edge_infer.kinds.regress import REGRESS
from edge_infer.kinds.segment import SEGMENT
from edge_infer.kinds.ssd import SSD
from edge_infer.kinds.ssd_raw import SSD_RAW
from edge_infer.kinds.tensors import TENSORS
from edge_infer.kinds.yolo import YOLO, YOLO_OBB, YOLO_POSE, YOLO_SEGMENT, YOLOX
from edge_infer.kinds.yolo_classify import YOLO_CLASSIFY, YOLOV5_CLASSIFY
from edge_infer.kinds.yolo_semantic import YOLO_SEMANTIC

log = logging.getLogger(__name__)

# In the order in which they are tried: the surest sign first.
KINDS = (
    SSD,
    YOLO,
    YOLO_SEGMENT,
    YOLO_POSE,
    YOLO_OBB,
    YOLO_SEMANTIC,
    YOLOX,
    YOLO_CLASSIFY,
    YOLOV5_CLASSIFY,
    BLAZEFACE,
    SSD_RAW,
    EFFICIENTDET,
    MOVENET,
    MOVENET_MULTI,
    POSENET_OP,
    POSENET,
    LANDMARKS,
    CENTERNET,
    FOMO,
    SEGMENT,
    EMBED,
    CLASSIFY,
    REGRESS,
    TENSORS,
)


def kind_of(name: str) -> Kind:
    """The kind of this name.

    Raises:
        ModelError: there is none; the message lists all.
        UnavailableError: it is a plug-in's, which cannot be loaded.
    """
    for kind in KINDS:
        if kind.name == name:
            return kind
    if plugged := plugins.find(plugins.DECODERS, name, Kind):
        return _guarded(name, plugged)
    known = ", ".join([*(kind.name for kind in KINDS), *plugins.installed(plugins.DECODERS)])
    raise ModelError(f"there is no kind of model '{name}'; there are {known} (`--decoder`, or `decode: {{kind: ...}}`)")


def recognise(clues: Clues) -> tuple[Kind, str]:
    """The kind that the files tell, and by what.

    Raises:
        ModelError: what the model does cannot be known; the message lists the choices.
    """
    for kind in KINDS:
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
    choices = "\n".join(f"  {kind.name:<12} {kind.summary}" for kind in (*KINDS, *plugged))
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
