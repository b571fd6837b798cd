"""Answers for recordings: of sound, or of sensors."""

import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from tqdm import tqdm

from edge_infer.cli.described import describe
from edge_infer.errors import InputError
from edge_infer.model import Model
from edge_infer.registry import open_source
from edge_infer.sources.windows import Windows
from edge_infer.types import Result
from edge_infer.wire.results import predicted, to_wire

NOTHING = "nothing found"
MS_DIGITS = 3


@dataclass
class Recording:
    """What a model said about one recording.

    Attributes:
        skipped: windows that could not be shown, and what else the source left out, by cause
    """

    given: str
    results: list[Result]
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def status(self) -> str:
        """The worst of all windows."""
        return max((result.status for result in self.results), key=("ok", "degraded", "timeout", "error").index)

    @property
    def timings_ms(self) -> dict[str, float]:
        """Of all windows together, by stage."""
        total: Counter[str] = Counter()
        for result in self.results:
            total.update(result.timings_ms)
        return {stage: round(ms, MS_DIGITS) for stage, ms in total.items()}


def answers(model: Model, given: str) -> Recording:
    """What the model says about all windows of a file.

    Raises:
        InputError: it has no end, is shorter than a window, or holds something else.
        UnavailableError: there is no such file.
    """
    assert model.wanted is not None, "a model of samples"  # noqa: S101 - the caller has looked
    with open_source(given) as source:
        if source.live:
            raise InputError(f"{given} has no end: `edge-infer run --source {given}` answers for what goes on")
        model.forget()  # recordings have nothing to do with each other
        windows = Windows(source, model.wanted)
        shown = tqdm(windows, desc=given, unit=" windows", delay=2, disable=None, file=sys.stderr, leave=False)
        recording = Recording(given, [model.predict(window) for window in shown], +source.skipped)
    if not recording.results:
        left_out = ", ".join(f"{count} ({cause})" for cause, count in recording.skipped.items() if cause != "tail")
        why = f"; left out: {left_out}" if left_out else ": it is shorter"
        raise InputError(f"{given} has no whole window of the {model.wanted.samples} samples that the model takes{why}")
    return recording


def row(recording: Recording) -> dict[str, Any]:
    """One object for JSON."""
    first = recording.results[0]
    return {
        "input": recording.given,
        "task": first.task,
        "status": recording.status,
        "model": str(first.model),
        "device": recording.results[-1].device,
        "timings_ms": recording.timings_ms,
        **({"skipped": dict(recording.skipped)} if recording.skipped else {}),
        "windows": [_window(result) for result in recording.results],
    }


def _window(result: Result) -> dict[str, Any]:
    said = msgspec.to_builtins(to_wire(result))
    span = {name: said["span"].get(name) for name in ("start_s", "length_s", "start", "samples", "missing")}
    found = {name: said.get(name) for name in predicted(result.prediction)}
    known = {"media_s": said.get("media_s"), "error": said.get("error")}
    span = {name: value for name, value in span.items() if value is not None}
    return {**span, "status": said["status"], **{name: value for name, value in known.items() if value}, **found}


def lines(recording: Recording) -> Iterator[str]:
    """What a person reads: a line for the recording, and one for each window in which something was found."""
    results = recording.results
    ms = statistics.median(sum(result.timings_ms.values()) for result in results)
    left_out = "".join(f", {count} {cause}" for cause, count in recording.skipped.items())
    yield f"{recording.given}  ({len(results)} windows{left_out}, {ms:.2f} ms each on {results[-1].device})"
    quiet = 0
    for result in results:
        said = describe(result)
        if said == [NOTHING]:
            quiet += 1
        else:
            yield f"  {_when(result)}  {'; '.join(said)}"
    if quiet:
        yield f"  {NOTHING} in {quiet} window{'s' if quiet > 1 else ''}"


def _when(result: Result) -> str:
    span = result.span
    assert span is not None, "a window of samples"  # noqa: S101 - Windows gives no other
    if span.start_s is None or span.length_s is None:
        return f"samples {span.start} to {span.end - 1}"
    return f"{span.start_s:9.3f} to {span.start_s + span.length_s:9.3f} s"
