"""What happens in one pipeline: results in, events out."""

from collections.abc import Mapping, Sequence

from edge_infer.analyse.episodes import Episodes, Sight
from edge_infer.analyse.moments import Moment, Moments
from edge_infer.analyse.places import Line, Zone
from edge_infer.analyse.reporter import Reporter
from edge_infer.analyse.settings import EventSettings, LineSettings, ZoneSettings
from edge_infer.analyse.sights import Followed, anomaly_of, by_label, classes_of
from edge_infer.analyse.smoothing import make_smoothing
from edge_infer.types import Anomaly, Detections, Event, Result, Size

# A class of which more than half of what the model believes is there is the only one of its kind.
CLASS_SCORE = 0.5


class Happenings:
    """Finds the events in the results of one pipeline, which come in their order.

    A result without an answer says nothing, neither that something is there nor that it is not.
    """

    def __init__(
        self,
        pipeline: str,
        settings: EventSettings,
        zones: Mapping[str, ZoneSettings],
        lines: Mapping[str, LineSettings],
    ) -> None:
        reporter = Reporter(pipeline, settings.max_per_minute)
        self._settings = settings
        self._moments = Moments()
        self._last: Moment | None = None
        self._followed = Followed()
        self._zones = [Zone(name, zone, settings, reporter) for name, zone in zones.items()]
        self._lines = [Line(name, line, settings, reporter) for name, line in lines.items()]
        labels = settings.labels
        self._objects: Episodes[int] = Episodes("object", settings, reporter, labels=labels)
        self._labels: Episodes[str] = Episodes("object", settings, reporter, labels=labels)
        self._classes: Episodes[str] = Episodes("class", settings, reporter, labels=labels, min_score=CLASS_SCORE)
        self._anomaly: Episodes[str] = Episodes("anomaly", settings, reporter, min_score=1.0)
        all_labels = (self._labels, self._classes, self._anomaly)
        self._parts: Sequence[Zone | Episodes[int] | Episodes[str]] = (*self._zones, self._objects, *all_labels)
        self._smoothing = make_smoothing(settings.smooth) if settings.smooth else None

    def __call__(self, result: Result) -> list[Event]:
        """What has happened with this result; what it says of objects that are followed stands in it already."""
        if result.prediction is None:
            return []
        moment = self._last = self._moments(result)
        match result.prediction:
            case Detections() as detections if self._settings.track:
                return self._follow(detections, moment, result.size)
            case Detections() as detections:
                return self._labels(moment, by_label(detections))
            case Anomaly() as anomaly:
                return self._anomaly(moment, anomaly_of(anomaly))
        seen = classes_of(result)
        if seen is None:
            return []
        smooth: Mapping[str, Sight] = self._smoothing(seen, moment.at_s) if self._smoothing else seen
        return self._classes(moment, smooth)

    def end(self, reason: str) -> list[Event]:
        """All that goes on ends, for a reason as `Event.reason` has it, with the last result that came."""
        if self._last is None:
            return []
        self._followed.keep(())
        for line in self._lines:
            line.forget()
        return [event for part in self._parts for event in part.end(self._last, reason)]

    def shown(self) -> dict[str, float]:
        """Of each event that the last result shows: how good a picture of it that frame would be."""
        if self._last is None:
            return {}
        return {id_: weight for part in self._parts for id_, weight in part.shown(self._last).items()}

    def _follow(self, detections: Detections, moment: Moment, size: Size) -> list[Event]:
        """Objects begin before what happens in places, and end after it."""
        objects = self._objects(moment, self._followed(detections))
        self._followed.keep(self._objects.keys)
        seen, alive = self._objects.seen(moment), self._objects.active()
        places: Sequence[Zone | Line] = (*self._zones, *self._lines)
        happened = [event for place in places for event in place(moment, seen, alive, size)]
        ended = [event for event in objects if event.phase == "end"]
        return [event for event in objects if event.phase != "end"] + happened + ended
