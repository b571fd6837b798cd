"""From what a configuration, or a call, says to what is made of the results of a pipeline."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from msgspec import Struct

from edge_infer.analyse.happenings import Happenings
from edge_infer.analyse.settings import EventSettings, LineSettings, ZoneSettings
from edge_infer.analyse.track_settings import TrackSettings
from edge_infer.analyse.tracking import Tracker
from edge_infer.config import from_options
from edge_infer.deliver.kept_pictures import KeptPictures
from edge_infer.event_pictures import EventPictures, Publish
from edge_infer.pipeline import Analysis
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.types import Detections, Event, Frame, Result


class _Options(Struct, frozen=True, forbid_unknown_fields=True):
    events: EventSettings
    zones: dict[str, ZoneSettings]
    lines: dict[str, LineSettings]
    tracking: TrackSettings


class Events:
    """Finds what happens in the results of one stream, given in their order; for one thread."""

    def __init__(
        self,
        name: str = "stream",
        *,
        zones: Mapping[str, Any] | None = None,
        lines: Mapping[str, Any] | None = None,
        tracking: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Prepare; what may be said is what a configuration may say (docs/events.md).

        Args:
            name: of the stream, a part of the ids of its events
            zones: by name, such as `{"lawn": {"polygon": [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]}}`
            lines: by name, such as `{"gate": {"points": [[0.5, 1], [0.5, 0]]}}`
            tracking: how objects are followed
            options: of `events`, such as `hold_s` and `labels`

        Raises:
            UsageError: an option is unknown, or has an impossible value.
        """
        said = {"events": options, "zones": zones or {}, "lines": lines or {}, "tracking": tracking or {}}
        checked = from_options(_Options, said, "Events")
        self._tracker = Tracker(checked.tracking) if checked.events.track else None
        self._happenings = Happenings(name, checked.events, checked.zones, checked.lines)

    def __call__(self, result: Result) -> tuple[Result, list[Event]]:
        """The result with the numbers of its objects, and what has happened with it."""
        result = _followed(self._tracker, result)
        return result, self._happenings(result)

    def end(self, reason: str = "stopped") -> list[Event]:
        """The ends of all that goes on: nothing more comes, or not for some time ("lost")."""
        return self._happenings.end(reason)


class Analysing:
    """Objects are followed, events found, pictures taken of them; over once its pipeline has stopped."""

    def __init__(self, tracker: Tracker | None, happenings: Happenings | None, pictures: EventPictures | None) -> None:
        self._tracker = tracker
        self._happenings = happenings
        self._pictures = pictures
        self._over = False

    def __call__(self, frame: Frame, result: Result) -> tuple[Result, Sequence[Event]]:
        """See `Analysis`."""
        result = _followed(self._tracker, result)
        if self._happenings is None or self._over:
            return result, ()
        events: Sequence[Event] = self._happenings(result)
        if self._pictures and result.prediction is not None:
            events = self._pictures(frame, result, events, self._happenings.shown())
        return result, events

    def end(self, reason: str) -> Sequence[Event]:
        """See `Analysis`."""
        if self._happenings is None:
            return ()
        self._over = self._over or reason == "stopped"
        events: Sequence[Event] = self._happenings.end(reason)
        if self._pictures:
            events = self._pictures.end(events)
            if self._over:
                self._pictures.close()
        return events


def make_analysis(settings: PipelineSettings, name: str, publish_picture: Publish | None = None) -> Analysis | None:
    """What follows, finds events, and counts; None where nothing is to be made of results.

    `publish_picture` gets JPEGs, each with the id of the event that it shows.
    """
    events = settings.happenings
    follow = settings.track or (TrackSettings() if events and events.track else None)
    if events is None and follow is None:
        return None
    happenings = Happenings(name, events, settings.zones, settings.lines) if events else None
    return Analysing(Tracker(follow) if follow else None, happenings, _pictures(events, publish_picture))


def _followed(tracker: Tracker | None, result: Result) -> Result:
    if tracker is None or not isinstance(result.prediction, Detections):
        return result
    return replace(result, prediction=tracker(result.prediction, result.clock_s, result.size))


def _pictures(events: EventSettings | None, publish: Publish | None) -> EventPictures | None:
    """Who plays results again without publishing gets the same events, and leaves the folder of pictures alone."""
    keep = KeptPictures(events.keep.folder, events.keep.max_bytes) if events and events.keep and publish else None
    if not events or not (events.snapshot or keep):
        return None
    return EventPictures((publish or _nowhere) if events.snapshot else None, keep)


def _nowhere(_jpeg: bytes, _event_id: str) -> None:
    pass
