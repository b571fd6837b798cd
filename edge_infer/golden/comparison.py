"""How one kind of prediction is kept in a file, and compared with what a model says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from edge_infer.bundle.manifest import Decode, Golden
from edge_infer.types import Array, Prediction, Size

P = TypeVar("P", bound=Prediction)
Arrays: TypeAlias = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Limits:
    """What may differ: `golden` as the manifest says it, thresholds of `decode`, `size` of the picture."""

    golden: Golden
    decode: Decode
    size: Size


@dataclass(frozen=True, slots=True)
class Comparison(Generic[P]):
    """One kind of prediction.

    Attributes:
        prediction: its class
        noun: what a model that gives something else does not give
        record: its arrays by name, without pickled objects
        restore: the prediction from these; raises KeyError or ValueError where they are none
        differences: what the model says otherwise than expected (found, expected, limits); empty if nothing
        proves: False where nearly any model would pass this expectation
    """

    prediction: type[P]
    noun: str
    record: Callable[[P], dict[str, Array]]
    restore: Callable[[Arrays], P]
    differences: Callable[[P, P, Limits], list[str]]
    proves: Callable[[P, Limits], bool] = lambda _expected, _limits: True


def texts(words: Sequence[str]) -> Array:
    """Texts as an array of characters: an array of objects would be pickled."""
    return np.array(list(words), np.str_)


def words(arrays: Arrays, name: str, count: int) -> tuple[str, ...]:
    """The texts of an array; empty ones where there is none: older files have no labels."""
    return tuple(map(str, arrays[name].tolist())) if name in arrays else ("",) * count


def within(difference: float, tolerance: float) -> bool:
    """True for a difference of at most `tolerance`, with room for rounding; never for NaN."""
    return abs(difference) <= tolerance + 1e-6


def other_labels(pairs: Sequence[tuple[int, str, str]]) -> list[str]:
    """What is wrong with labels: (class id, found, expected); one line, however many there are."""
    wrong = [(class_id, found, label) for class_id, found, label in pairs if label and found != label]
    if not wrong:
        return []
    class_id, found, label = wrong[0]
    others = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return [f"class {class_id} is called '{found}', '{label}' expected{others}"]
