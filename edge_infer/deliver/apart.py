"""A sink of somebody else, in a thread of its own: whatever it does, the pipelines go on."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TypeVar

from edge_infer.deliver.sink import Sink
from edge_infer.errors import TransientError
from edge_infer.flow.backoff import Backoff
from edge_infer.flow.mailbox import Closed, Mailbox
from edge_infer.flow.worker import Worker
from edge_infer.types import Event, Result

log = logging.getLogger(__name__)

CAPACITY = 100  # results that wait for a slow sink, ten seconds at 10 a second; the oldest is dropped beyond
STUCK_S = 5.0  # for one result, or to open: what takes longer hangs
CLOSE_S = 2.0  # for what waits, at the end


T = TypeVar("T")


class _Post(NamedTuple):
    said: Result | Event
    pipeline: str | None


class SinkApart:
    """Takes results at once, hands them over when the sink is ready, and counts those that it loses.

    After a failure the sink is opened again. A result is lost if the sink refuses it for good, and if too many wait.
    """

    def __init__(self, name: str, open_sink: Callable[[], Sink]) -> None:
        self.name = name
        self.taken = 0
        self.refused = 0
        self._open = open_sink
        self._in_hand: _Post | None = None
        self._mailbox: Mailbox[_Post] = Mailbox(CAPACITY, lossy=True)
        self._worker = Worker(f"sink:{name}", self._run, Backoff(base=0.5, cap=30.0))
        self._worker.start()

    def publish(self, result: Result, pipeline: str | None = None) -> int:
        """Take over a result."""
        return self._take(_Post(result, pipeline))

    def publish_event(self, event: Event, pipeline: str) -> int:
        """Take over an event, for a sink that takes them."""
        return self._take(_Post(event, pipeline))

    def _take(self, post: _Post) -> int:
        with suppress(Closed):
            self._mailbox.put(post)
            self.taken += 1
        return self.taken

    def close(self) -> int:
        """Hand over what waits, for at most CLOSE_S seconds; returns how many results did not get through."""
        self._mailbox.close()
        self._worker.join(CLOSE_S)
        self._worker.abandon()
        lost = self.lost + len(self._mailbox) + (self._in_hand is not None)
        if lost:
            log.error("results did not get through", extra={"sink": self.name, "results": lost, "reason": self.trouble})
        return lost

    @property
    def lost(self) -> int:
        """Results that were refused, or dropped since too many waited."""
        return self.refused + self._mailbox.dropped

    @property
    def trouble(self) -> str | None:
        """What is wrong now, in a sentence; None if nothing is."""
        if act := self._worker.heartbeat.overdue():
            return f"the sink hangs ({act.what}): of the results that wait the oldest are dropped"
        if failure := self._worker.error or self._worker.last_retry:
            return str(failure)
        if len(self._mailbox) >= CAPACITY:
            return "the sink is slower than results come: the oldest are dropped"
        return None

    def _run(self, worker: Worker) -> None:
        with worker.heartbeat.working("open", STUCK_S):
            sink = _tried("cannot be opened", self._open)
        try:
            with suppress(Closed):
                while not worker.abandoned:
                    self._hand_over(sink, worker)
        finally:
            with worker.heartbeat.working("close", STUCK_S):
                self.refused += _tried("cannot be closed", sink.close)

    def _hand_over(self, sink: Sink, worker: Worker) -> None:
        post = self._in_hand = self._in_hand or self._mailbox.get()
        if post is None:
            return
        try:
            with worker.heartbeat.working("publish", STUCK_S):
                _give(sink, post)
        except TransientError:
            raise  # it stays in hand for the next try
        except Exception as error:
            self._in_hand = None
            self.refused += 1
            raise TransientError(f"the sink refuses a result ({type(error).__name__}: {error})") from error
        self._in_hand = None
        worker.progress()


def _give(sink: Sink, post: _Post) -> None:
    if isinstance(post.said, Result):
        sink.publish(post.said, post.pipeline)
    elif publish_event := getattr(sink, "publish_event", None):
        publish_event(post.said, post.pipeline)


def _tried(what: str, act: Callable[[], T]) -> T:
    try:
        return act()
    except TransientError:
        raise
    except Exception as error:  # somebody else's code: anything may come
        raise TransientError(f"the sink {what} ({type(error).__name__}: {error})") from error
