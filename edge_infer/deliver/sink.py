"""What takes results, and what happened."""

from typing import Protocol

from edge_infer.types import Event, Result


class Sink(Protocol):
    """Somewhere that results go; never blocks the caller for long. Called by one thread of each pipeline."""

    def publish(self, result: Result, pipeline: str | None = None) -> int:
        """Take over a result; returns how many results this sink has taken. `pipeline`: default the source's name."""
        ...

    def close(self) -> int:
        """Finish; returns how many results did not get through."""
        ...


class EventSink(Sink, Protocol):
    """One that takes events, too; a plug-in's may be a `Sink` alone."""

    def publish_event(self, event: Event, pipeline: str) -> int:
        """Take over an event; returns how much this sink has taken."""
        ...
