"""Trying what is to come before it takes the place of what runs: in a thread, so that nothing waits for what hangs."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from edge_infer.errands import Errands
from edge_infer.errors import DelegateError, EdgeInferError, UnavailableError
from edge_infer.flow.worker import Worker
from edge_infer.pipeline_settings import PipelineSettings
from edge_infer.registry import load_model, make_source
from edge_infer.sources.audio_settings import WavSettings
from edge_infer.sources.sensor_settings import TableSettings
from edge_infer.sources.settings import ImagesSettings, ReplaySettings, StillSettings, VideoSettings

_FILES = WavSettings | ImagesSettings | ReplaySettings | StillSettings | TableSettings | VideoSettings
New = TypeVar("New")


class Rehearsing(Generic[New]):
    """Tries one thing at a time; all but that belongs to the main loop."""

    def __init__(
        self,
        name: str,
        accept: Callable[[New], object],
        refuse: Callable[[Exception], object],
        errands: Errands,
        discard: Callable[[New], object] = lambda _: None,
    ) -> None:
        """Prepare; `accept` or `refuse` is called in the end, with what the act has given, or raised.

        `discard` gets what it has given where nobody waits for it any more; from any thread.
        """
        self._name = name
        self._accept = accept
        self._refuse = refuse
        self._errands = errands
        self._discard = discard
        self._worker: Worker | None = None
        self._late = ""

    def begin(self, act: Callable[[], New], limit_s: float, late: str) -> None:
        """Act in a thread; `late` says what is wrong if that takes longer than `limit_s`."""
        self._late = late
        self._worker = Worker(self._name, partial(self._run, act, limit_s))
        self._worker.start()

    @property
    def busy(self) -> bool:
        """True while it is tried."""
        return self._worker is not None

    def turn(self) -> None:
        """Give it up, if it hangs."""
        if self._worker is None:
            return
        if self._worker.error:
            self._end(partial(self._refuse, self._worker.error))
        elif self._worker.heartbeat.overdue():
            self._worker.abandon()
            self._end(partial(self._refuse, UnavailableError(self._late)))

    def _run(self, act: Callable[[], New], limit_s: float, worker: Worker) -> None:
        with worker.heartbeat.working(self._name, limit_s):
            try:
                new = act()
            except EdgeInferError as error:
                refuse = partial(self._refuse, error)
                if not worker.abandoned:
                    self._errands.ask(lambda _: self._end(refuse), {})
                return
        self._offer(new, worker)

    def _offer(self, new: New, worker: Worker) -> None:
        if worker.abandoned:
            self._discard(new)
            return
        try:
            taken = self._errands.ask(lambda _: self._end(partial(self._accept, new)), {})
        except UnavailableError:
            self._discard(new)
            raise
        taken.add_done_callback(lambda done: self._discard(new) if done.exception() else None)

    def _end(self, then: Callable[[], object]) -> None:
        self._worker = None
        then()


def rehearse(pipelines: Mapping[str, PipelineSettings]) -> None:
    """Load each model, and open each source that is a file.

    Cameras are not opened, and an accelerator may fail: they may be in use, and are tried again for ever anyway.

    Raises:
        UnavailableError: with everything that would end the daemon.
    """
    problems = []
    for name, settings in pipelines.items():
        try:
            with suppress(DelegateError):
                load_model(settings).close()
            if isinstance(settings.source, _FILES):
                make_source(settings.source, name).close()
        except EdgeInferError as error:
            problems.append(f"pipelines.{name}: {error}")
    if problems:
        raise UnavailableError("\n".join(problems))
