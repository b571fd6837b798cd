"""What a decoder is, and which classes it may report."""

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np

from edge_infer.errors import ModelError
from edge_infer.types import Array, Geometry, Prediction


class Decoder(Protocol):
    """Turns a model's raw outputs, in the order of its output specs, into a prediction in captured-frame pixels."""

    task: str

    def __call__(self, outputs: Sequence[Array], geometry: Geometry) -> Prediction:
        """Decode one inference."""
        ...


class ClassFilter:
    """Which class ids may be reported: `allow` (empty: all) without `deny`, both by label or by number."""

    def __init__(self, labels: Sequence[str], allow: Collection[str] = (), deny: Collection[str] = ()) -> None:
        self._allow = class_ids_of(labels, allow)
        self._deny = class_ids_of(labels, deny)

    def mask(self, class_ids: Array) -> Array | None:
        """`(n,) bool`, True where the class may be reported; None: all of them."""
        if not self._allow and not self._deny:
            return None
        allowed = np.isin(class_ids, self._allow) if self._allow else np.ones(len(class_ids), bool)
        return allowed & ~np.isin(class_ids, self._deny)


def class_ids_of(labels: Sequence[str], names: Collection[str]) -> list[int]:
    """Class ids of labels or numbers.

    Raises:
        ModelError: a name that is neither.
    """
    ids: list[int] = []
    for name in names:
        matching = [i for i, label in enumerate(labels) if label == name]
        if not matching and not name.isdecimal():
            known = ", ".join(label for label in labels[:10] if label)
            raise ModelError(f"the model has no class '{name}'; it has {known}{', ...' if len(labels) > 10 else ''}")
        ids += matching or [int(name)]
    return ids


def check_labels(labels: Sequence[str], count: int, where: str) -> None:
    """Labels are for all classes or for none.

    Raises:
        ModelError: there are fewer.
    """
    if labels and len(labels) < count:
        raise ModelError(
            f"there are {len(labels)} labels for the {count} classes of {where}: give the labels file that belongs to "
            "this model, one line for each class"
        )


def label_of(labels: Sequence[str], class_id: int) -> str:
    """The label, or the number where the class has none."""
    return (labels[class_id] if 0 <= class_id < len(labels) else "") or str(class_id)
