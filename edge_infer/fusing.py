"""Events of all pipelines on their way to what they amount to together."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edge_infer.analyse.fusion_names import unknown_labels
from edge_infer.analyse.fusion_settings import FusionSettings
from edge_infer.analyse.fusions import Fusions
from edge_infer.model import Model
from edge_infer.types import Event

LABELLED = ("classify", "detect", "segment", "pose")  # tasks whose events have the labels of the model


@dataclass(frozen=True, slots=True)
class Occasion:
    """What all fusions were told together, and what they made of it: all that a replay of them needs.

    Attributes:
        settings: in force until then
        now_ns: when, monotonic clock; never less than in the one before
        event, pipeline: what has happened there; None: time has gone on
        changed: the settings from then on, where they are others
    """

    settings: Mapping[str, FusionSettings]
    now_ns: int
    said: Sequence[Event]
    event: Event | None = None
    pipeline: str = ""
    changed: Mapping[str, FusionSettings] | None = None


class Fusing:
    """Gets the events of all pipelines, publishes those of the fusions, each with its name; any thread may call."""

    def __init__(
        self,
        settings: Mapping[str, FusionSettings],
        publish: Callable[[Event, str], object],
        keep: Callable[[Occasion], object] | None = None,
    ) -> None:
        """`keep` gets what a replay needs, in order; it must not wait."""
        self._publish = publish
        self._keep = keep
        self._lock = threading.Lock()  # also while publishing: what has begun is told before its end
        self._fusions = Fusions(settings)
        self._labels: dict[str, Sequence[str]] = {}
        self._unknown: dict[str, str] = {}

    def __call__(self, event: Event, pipeline: str) -> None:
        """Something has happened in a pipeline."""
        with self._lock:
            now_ns, settings = time.monotonic_ns(), self._fusions.settings
            said = self._fusions(event, pipeline, now_ns)
            self._tell(Occasion(settings, now_ns, said, event, pipeline))

    def unknown(self, models: Mapping[str, Model]) -> dict[str, str]:
        """What is wrong with labels of fusions, by fusion, as far as models are loaded; by pipeline."""
        labels = {name: labels_of(model) for name, model in models.items()}
        if labels != self._labels:
            self._labels, self._unknown = labels, unknown_labels(self._fusions.settings, labels)
        return self._unknown

    def turn(self) -> None:
        """Time goes on; never waits."""
        if not self._lock.acquire(blocking=False):  # somebody is at it
            return
        try:
            now_ns = time.monotonic_ns()
            if said := self._fusions.turn(now_ns):
                self._tell(Occasion(self._fusions.settings, now_ns, said))
        finally:
            self._lock.release()

    def change(self, settings: Mapping[str, FusionSettings]) -> None:
        """From now on there are these; those that are gone or different end."""
        with self._lock:
            before, now_ns = self._fusions.settings, time.monotonic_ns()
            if settings != before:
                said = self._fusions.change(settings, now_ns)
                self._tell(Occasion(before, now_ns, said, changed=settings))
            self._labels = {}

    def end(self) -> None:
        """No more events come."""
        self.change({})

    def _tell(self, occasion: Occasion) -> None:
        for event in occasion.said:
            self._publish(event, event.label)
        if self._keep and (occasion.settings or occasion.changed):
            self._keep(occasion)


def labels_of(model: Model) -> Sequence[str]:
    """The labels that its events may have; none where that is not known."""
    labels = model.recipe.labels if model.task in LABELLED else ()
    return labels if all(labels) else ()
