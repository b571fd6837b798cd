"""What a second model says about one thing, and which of its answers counts."""

from collections.abc import Hashable
from dataclasses import dataclass

from edge_infer.analyse.geometry import area
from edge_infer.types import Classes, Detection, Detections, Embedding, Prediction


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What it says, and how good a picture of the thing that is about: score times size, as `Sight.weight`."""

    said: Prediction
    weight: float

    def is_better_than(self, other: "Answer | None") -> bool:
        """True where it names something and the other does not, or else is about a better picture."""
        if other is None:
            return True
        return (_says_something(self.said), self.weight) > (_says_something(other.said), other.weight)


def answer_about(one: Detection) -> Answer | None:
    """The answer about an object; None where there is none."""
    return None if one.detail is None else Answer(one.detail, one.score * area(one.box))


def gist(said: Prediction | None) -> Hashable:
    """What of an answer is news when it is another: the best class of each head, what was found; not how sure it is."""
    match said:
        case Classes():
            heads = said.heads or ("",) * len(said)
            ranked = list(zip(heads, said.class_ids.tolist(), said.labels, strict=True))
            return tuple({head: (class_id, label) for head, class_id, label in reversed(ranked)}.items())
        case Embedding(nearest=Classes() as nearest):
            return gist(nearest)
        case Detections():
            return said.labels
    return None if said is None else type(said).__name__


def _says_something(said: Prediction) -> bool:
    return len(said.nearest if isinstance(said, Embedding) and said.nearest is not None else said) > 0
