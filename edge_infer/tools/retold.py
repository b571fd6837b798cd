"""What pipelines tell now, in place of what they told when a recording was made."""

from collections.abc import Collection, Sequence
from typing import TypeAlias

from edge_infer.tape.entries import Tree
from edge_infer.types import Event

_Frame: TypeAlias = tuple[str, str, int, int | None]  # run, pipeline, when it was captured, its number


class Retold:
    """The events of pipelines that are replayed, by the frame that brought them."""

    def __init__(self, pipelines: Collection[str]) -> None:
        self.pipelines = pipelines
        self._again: dict[_Frame, Sequence[Event]] = {}
        self._new: dict[str, list[tuple[str, Event]]] = {}

    def add(self, run: str, pipeline: str, then: Sequence[Tree], now: Sequence[Event]) -> None:
        """One frame, or an end, of which a pipeline told something then or tells something now."""
        if then:
            self._again[run, pipeline, then[0]["captured_ns"], then[0]["frame"]] = now
        else:
            self._new.setdefault(run, []).extend((pipeline, event) for event in now)

    def in_place_of(self, run: str, pipeline: str, event: Event) -> Sequence[Event] | None:
        """What is told now of the frame that brought an event then; None: that frame was not replayed."""
        return self._again.get((run, pipeline, event.captured_ns, event.frame))

    def new(self, run: str) -> list[tuple[str, Event]]:
        """Pipelines and events of frames that had brought none, in the order in which they were captured."""
        return sorted(self._new.get(run, ()), key=lambda one: one[1].captured_ns)
