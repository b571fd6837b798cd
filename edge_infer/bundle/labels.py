"""Names of classes: from a text, from a model's own files."""

import re
from itertools import pairwise

from edge_infer.bundle.metadata import Metadata
from edge_infer.bundle.model_file import ModelFile

# Six digits bound what "999999999 cat" would allocate; ImageNet-21k has 21 843 classes.
_NUMBERED = re.compile(r"([0-9]{1,6})(?:\s*:\s*|\s+)(.*)")
_PLACEHOLDERS = ("???", "n/a")  # Source: TensorFlow's COCO label map, MediaPipe's models
_LABEL_TYPES = ("TENSOR_AXIS_LABELS", "TENSOR_VALUE_LABELS")
# How label files call what is none of the classes. Source: ImageNet's of TF-Slim and Coral, COCO's with "???".
_BACKGROUND = ("background", "dummy", "")
_IMAGENET, _WITH_BACKGROUND = 1000, 1001


def parse_labels(text: str) -> tuple[str, ...]:
    """Labels by class id, "" where a class has none.

    A line is a label ("cat"), or its id and the label ("16 cat", "16: cat") if that is so of all lines and the ids
    rise: a file with the line "3 wheeler" among others has plain lines.
    """
    lines = [line.strip() for line in text.removeprefix("\ufeff").rstrip().split("\n")] if text.strip() else []
    matches = [_NUMBERED.fullmatch(line) for line in lines if line]
    numbered = [(int(match[1]), match[2]) for match in matches if match]
    rising = all(former[0] < latter[0] for former, latter in pairwise(numbered))
    if not numbered or len(numbered) < len(matches) or not rising:
        return tuple(_without_placeholder(line) for line in lines)
    labels = dict(numbered)
    return tuple(_without_placeholder(labels.get(class_id, "")) for class_id in range(max(labels) + 1))


def labels_from(model: ModelFile, metadata: Metadata | None, output: int) -> tuple[str, ...]:
    """Labels for an output: of the file its metadata names, else of the only file named like labels, else none.

    Raises:
        ModelError: the file is there, but damaged.
    """
    for name in (*_named_files(metadata, output), *_lone_file(model)):
        if name in model.files:
            return parse_labels(model.files[name].decode("utf-8", "replace"))
    return ()


def fitted(labels: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Labels for so many classes: a first one for the background goes where no class is left for it.

    ImageNet's labels are given one where the model has the class and they have not.
    """
    if labels and len(labels) == count + 1 and is_background(labels[0]):
        return labels[1:]
    if (len(labels), count) == (_IMAGENET, _WITH_BACKGROUND) and not is_background(labels[0]):
        return ("background", *labels)
    return labels


def is_background(label: str) -> bool:
    """True for what label files call that which is none of the classes."""
    return label.lower() in _BACKGROUND


def missing_files(model: ModelFile, metadata: Metadata | None) -> list[str]:
    """Label files that the metadata names and the model has not."""
    outputs = metadata.outputs if metadata else ()
    named = [name for place in range(len(outputs)) for name in _named_files(metadata, place)]
    return [name for name in named if name not in model.files]


def _without_placeholder(label: str) -> str:
    return "" if label.lower() in _PLACEHOLDERS else label


def _named_files(metadata: Metadata | None, output: int) -> list[str]:
    """One for each language, the default first. Source: tflite-support, "Adding metadata to TensorFlow Lite models"."""
    if metadata is None or output >= len(metadata.outputs):
        return []
    return [file.name for file in metadata.outputs[output].files if file.type in _LABEL_TYPES]


def _lone_file(model: ModelFile) -> list[str]:
    names = [name for name in model.files if "label" in name.lower()]
    return names if len(names) == 1 else []
