"""A named thread that retries what may work again and remembers what may not."""

import logging
import threading
from collections.abc import Callable

from edge_infer.errors import EdgeInferError, TransientError
from edge_infer.flow.backoff import Backoff
from edge_infer.flow.heartbeat import Heartbeat

log = logging.getLogger(__name__)


class Worker:
    """Runs `body(worker)` in a thread; on TransientError waits with jitter and runs it again, for ever.

    The body returns when its work is done or `worker.stopping` is set, and calls `worker.progress()` whenever
    something worked, so that the next failure is retried quickly. Any other exception ends the thread and is
    kept in `error`: whoever started the worker decides what that means for the process.

    A thread that hangs cannot be ended. It is abandoned: should it ever come back, the body sees that in `abandoned`
    and lets go of all it has, and another worker has taken its place, `because` of that.
    """

    def __init__(
        self,
        name: str,
        body: Callable[["Worker"], None],
        backoff: Backoff | None = None,
        *,
        because: TransientError | None = None,
    ) -> None:
        self.name = name
        self.stopping = threading.Event()
        self.abandoned = False
        self.heartbeat = Heartbeat()
        self.error: Exception | None = None
        self.retries = 0
        self.last_retry = because  # why it is retrying now; None while it works
        self._body = body
        self._backoff = backoff or Backoff()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread; once."""
        self._thread.start()

    def progress(self) -> None:
        """Something worked (called by the body)."""
        self.last_retry = None
        self._backoff.reset()

    def stop(self) -> None:
        """Ask the body to end; does not wait."""
        self.stopping.set()

    def abandon(self) -> None:
        """It hangs: whatever it still does, it does for nobody."""
        self.abandoned = True
        self.stopping.set()

    def join(self, timeout: float) -> bool:
        """True if the thread has ended within `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """True while the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self.stopping.is_set():
            try:
                self._body(self)
            except TransientError as error:
                self._wait_to_retry(error)
            except Exception as error:  # noqa: BLE001 - the boundary: whoever started us reads it
                self.error = error
                return
            except BaseException as error:  # noqa: BLE001 - such as SystemExit, which is no business of a thread
                self.error = EdgeInferError(f"the thread {self.name} was ended by {type(error).__name__}: {error}")
                return
            else:
                return

    def _wait_to_retry(self, error: TransientError) -> None:
        if self.abandoned:
            return
        delay = self._backoff.next_delay()
        if self.last_retry is None or str(self.last_retry) != str(error):
            log.warning(f"{error}, trying again", extra={"worker": self.name, "retry_s": round(delay, 2)})
        self.last_retry = error
        self.retries += 1
        self.stopping.wait(delay)
