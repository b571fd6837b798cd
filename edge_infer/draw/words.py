"""What a prediction says in words, one row each, and what its parts are called."""

from collections.abc import Sequence

from edge_infer.draw.colors import BLACK, COLORS, Color, color_of, line_color
from edge_infer.draw.lettering import writable
from edge_infer.types import (
    Anomaly,
    Category,
    Classes,
    Detection,
    Detections,
    Embedding,
    Measurements,
    Prediction,
    Region,
    Result,
)

LONGEST_NAME = 32  # letters; beyond that a label is shortened
NORMAL, UNUSUAL = COLORS[2], COLORS[5]  # green and red, as colour-blind readers tell them apart, too

Row = tuple[str, Color]


def rows_of(result: Result) -> list[Row]:
    """What has no place in a picture, best first; or why there is no answer."""
    if result.prediction is None:
        text = f"no answer: {result.error}"
        return [(writable(text, "no answer"), BLACK)] if result.error else []
    return _rows(result.prediction)


def all_rows(result: Result) -> list[Row]:
    """The same, and objects without their places: those that a model hears or feels have none."""
    match result.prediction:
        case Detections() as found:
            return [(object_words(one), line_color(one.class_id)) for one in found]
    return rows_of(result)


def object_words(one: Detection) -> str:
    """Label, number of its track, score, and what a second model says."""
    track = "" if one.track_id is None else f" #{one.track_id}"
    return f"{name_of(one)}{track} {one.score:.2f}" + _detail_words(one.detail)


def name_of(one: Category | Detection | Region) -> str:
    """Its label, shortened, or the number of its class."""
    return short(writable(one.label, f"class {one.class_id}"))


def short(text: str) -> str:
    """At most LONGEST_NAME letters."""
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 2]}.."


def _rows(prediction: Prediction) -> list[Row]:
    match prediction:
        case Classes():
            return _class_rows(prediction)
        case Embedding(nearest=Classes() as nearest):
            return _class_rows(nearest)
        case Measurements():
            texts = (f"{one.name} {one.value:.4g} {one.unit}".rstrip() for one in prediction)
            return [(writable(text, _ascii(text)), COLORS[0]) for text in texts]
        case Anomaly():
            word = "unusual" if prediction.is_anomaly else "normal"
            text = f"{word} {prediction.score:.3g} (limit {prediction.threshold:.3g})"
            return [(text, UNUSUAL if prediction.is_anomaly else NORMAL)]
    return []


def _detail_words(detail: Prediction | None) -> str:
    """The best of what a second model says about an object, in a few words."""
    match detail:
        case Classes() | Embedding(nearest=Classes()):
            best = next(iter(_rows(detail)), None)
            return f": {best[0]}" if best else ""
        case Measurements() | Anomaly():
            return "".join(f": {text}" for text, _ in _rows(detail)[:1])
    return ""


def _class_rows(classes: Classes) -> list[Row]:
    heads = list(dict.fromkeys(classes.heads))
    return [
        (
            f"{writable(c.head, _ascii(c.head)) + ': ' if c.head else ''}{name_of(c)} {c.score:.2f}",
            _head_color(heads, c.head),
        )
        for c in classes
    ]


def _head_color(heads: Sequence[str], head: str) -> Color:
    return color_of(heads.index(head)) if head in heads else COLORS[0]


def _ascii(text: str) -> str:
    """What is left of a text that this OpenCV cannot draw."""
    return text.encode("ascii", "ignore").decode()
