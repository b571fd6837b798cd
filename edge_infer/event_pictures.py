"""The best picture of each event that goes on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from edge_infer.deliver.kept_pictures import KeptPictures
from edge_infer.draw import draw, encode_jpeg
from edge_infer.types import Event, Frame, Result

# A better picture is taken at most so often, beside that of each start. Measured: drawing and encoding take 1 ms of CPU
# at 640x480, 5 ms at 1920x1080 (x86-64), which is half a percent of a core at most.
BETTER_S = 1.0
MOST = 32  # events at a time that have a picture: 100 kB each at 640x480, 350 kB at 1920x1080

Publish = Callable[[bytes, str], object]  # a JPEG, and the id of its event


class EventPictures:
    """Publishes a picture when an event begins, and the best one of it at its end; for one thread.

    The best is that with the highest score times size of what the event is about, of those that were looked at.
    """

    def __init__(self, publish: Publish | None, keep: KeptPictures | None) -> None:
        """`publish` gets both pictures, `keep` the best."""
        self._publish = publish
        self._keep = keep
        self._best: dict[str, tuple[float, bytes]] = {}
        self._taken_s: float | None = None

    def __call__(
        self, frame: Frame, result: Result, events: Sequence[Event], shown: Mapping[str, float]
    ) -> Sequence[Event]:
        """The events that this frame has brought, those with a picture marked; `shown`: see `Happenings.shown`."""
        begun = {event.id for event in events if event.phase == "start"}
        crossed = [event.id for event in events if event.kind == "line"]
        due = self._taken_s is None or abs(result.clock_s - self._taken_s) >= BETTER_S
        better = [
            id_ for id_, weight in shown.items() if id_ in begun or (id_ in self._best and weight > self._best[id_][0])
        ]
        if begun or crossed or (better and due):
            self._taken_s = result.clock_s
            picture = encode_jpeg(draw(frame.data, result))
            for id_ in (*better, *crossed):
                if id_ in self._best or len(self._best) < MOST:
                    self._best[id_] = (shown.get(id_, 0.0), picture)
            for id_ in begun:
                self._send(id_)
        return self.end(events)

    def end(self, events: Sequence[Event]) -> Sequence[Event]:
        """Publish what there is of those that have ended."""
        marked = [replace(event, snapshot=self._publish is not None and event.id in self._best) for event in events]
        for event in events:
            if event.phase == "end":
                self._send(event.id)
                if self._keep and event.id in self._best:
                    self._keep(self._best[event.id][1], event.id)
                self._best.pop(event.id, None)
        return marked

    def close(self) -> None:
        """No more will come."""
        self._best.clear()
        if self._keep:
            self._keep.close()

    def _send(self, id_: str) -> None:
        if self._publish and id_ in self._best:
            self._publish(self._best[id_][1], id_)
