"""Results for the frames of one source, in the loop of an application."""

import threading
import time
from collections.abc import Iterator

from edge_infer.ahead import Ahead
from edge_infer.capturing import STOP_S
from edge_infer.errors import SourceError
from edge_infer.flow.mailbox import Closed
from edge_infer.intake import Admission, Intake
from edge_infer.model import Model
from edge_infer.sources.source import BaseSource
from edge_infer.sources.windows import Windows
from edge_infer.types import Result


def stream(
    source: BaseSource, model: Model, *, max_frame_age_s: float = 5.0, gate: Admission | None = None
) -> Iterator[Result]:
    """Results for the frames of an opened source, until it ends.

    Live sources are read in a thread of their own: the newest frame wins, `Result.dropped` counts the others, and those
    that a `gate` leaves out (docs/gates.md).

    Raises:
        SourceError: the source broke off, or a live one gave no frame for `max_frame_age_s` seconds.
    """
    intake = Intake(max_frame_age_s, ahead=Ahead(lambda: model, workers=1))
    intake.live, intake.gate = source.live, gate
    stopping = threading.Event()
    failures: list[Exception] = []

    def feed() -> None:
        try:
            intake.feed(Windows(source, model.wanted) if model.wanted else source, stopping)
        except Exception as error:  # noqa: BLE001 - raised again below, in the caller's thread
            failures.append(error)
        intake.close()

    reader = threading.Thread(target=feed, name=f"source:{source.name}", daemon=True)
    reader.start()
    try:
        silent_since = time.monotonic()
        while True:
            taken = intake.take()
            if taken is not None:
                yield model.ask(taken.frame, taken.prepared)(dropped=intake.unreported_drops())
                silent_since = time.monotonic()
            heard_s = (intake.last_frame_ns or 0) / 1e9  # also what a gate left out
            if taken is None and source.live and time.monotonic() - max(silent_since, heard_s) > max_frame_age_s:
                raise SourceError(f"{source.name} gave no frame for {max_frame_age_s:g} s")
    except Closed:
        if failures:
            raise failures[0] from None
    finally:
        stopping.set()
        source.interrupt()
        intake.close()
        reader.join(STOP_S)
