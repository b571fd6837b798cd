"""Everything that inputs stand for, through a model, into one file; again after a kill, only what is missing."""

import sys
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count, repeat
from pathlib import Path
from typing import Literal, Never, TypeAlias

from tqdm import tqdm

from edge_infer.errors import UsageError
from edge_infer.flow.signals import led_by_signals
from edge_infer.health.process import cores
from edge_infer.tools.batch.crew import Crew, Lost
from edge_infer.tools.batch.items import Inputs, Item, find_inputs, shown
from edge_infer.tools.batch.lanes import Lane, Pace, Schedule
from edge_infer.tools.batch.output import Output
from edge_infer.tools.batch.record import Maker
from edge_infer.tools.batch.shard import ModelSpec

TURN_S = 0.25  # so long nobody looks whether a signal came
DRAIN_S = 2.0  # what is being worked on is waited for when it shall stop
EngineName: TypeAlias = Literal["local", "ray"]


@dataclass
class Summary:
    """What came of a run.

    Attributes:
        rows, errors: in the output now
        new: rows of this run
        missing: addresses that stand for nothing
        complete: every input is in the output
        seconds: of this run, with its start
        start_s: of these, until the first row: workers begin, and load the model
        crashes: workers that died
    """

    out: str
    rows: int
    errors: int
    missing: list[str]
    engine: EngineName
    new: int = 0
    complete: bool = False
    seconds: float = 0.0
    start_s: float = 0.0
    crashes: int = 0
    first_error: str | None = None


def run_batch(
    given: Sequence[str],
    spec: ModelSpec,
    out: Path,
    *,
    engine: EngineName = "local",
    workers: int | None = None,
    restart: bool = False,
) -> Summary:
    """Fill `out`; SIGINT or SIGTERM ends it, with `complete` false.

    Args:
        given: addresses, as `find_inputs` takes them
        spec: the model
        out: *.jsonl, *.ndjson or *.parquet
        engine: who does the work: processes on this machine, or the cluster at $RAY_ADDRESS (one of our own without it)
        restart: delete what is there, instead of going on from it
        workers: default: one for each core, of the cluster if there is one; one where the model runs on an accelerator

    Raises:
        EdgeInferError: it cannot begin or go on; what was done is kept.
    """
    began = time.monotonic()
    inputs = find_inputs(given)
    _refuse_input(out, inputs)
    with closing(Output(out, Maker.of(spec), restart=restart)) as output:
        summary = Summary(str(out), output.done.rows, output.done.errors, inputs.missing, engine)
        schedule = Schedule(_lanes(inputs, output))
        with tqdm(desc=out.name, delay=2, disable=None, file=sys.stderr, leave=False, smoothing=0.05) as bar:
            run = _Run(began, schedule, output, summary, bar)
            if not schedule.done:
                with closing(_crew(spec, engine, workers, inputs)) as crew, led_by_signals(run.stop.set):
                    run.work(crew)
            with led_by_signals(run.stop.set):
                summary.complete = schedule.done and run.complete()
    summary.seconds = round(time.monotonic() - began, 3)
    return summary


def _refuse_input(out: Path, inputs: Inputs) -> None:
    if out.exists() and any(out.samefile(path) for path in (*inputs.pictures, *inputs.videos) if Path(path).exists()):
        raise UsageError(f"{out} is one of the inputs: give another --out")


def _lanes(inputs: Inputs, output: Output) -> Iterable[Lane]:
    """What is not in the output."""
    done = output.done
    if pictures := [path for path in inputs.pictures if shown(path) not in done.whole]:
        yield Lane(map(Item, pictures), size=len(pictures))
    for path in inputs.videos:
        if (name := shown(path)) not in done.whole and name not in output.finished:
            start = done.frames.get(name, 0)
            yield Lane(map(Item, repeat(path), count(start)), video=path, start=start)


def _crew(spec: ModelSpec, engine: EngineName, workers: int | None, inputs: Inputs) -> Crew:
    alone = spec.options.get("device", "auto").startswith(("edgetpu", "external"))  # an accelerator has one user
    if engine == "ray":
        from edge_infer.tools.batch.cluster import RayCrew

        return RayCrew(spec, 1 if alone and not workers else workers)
    from edge_infer.tools.batch.local import LocalCrew

    most = len(inputs.pictures) if not inputs.videos else sys.maxsize
    return LocalCrew(spec, min(workers or (1 if alone else cores()), most))


class _Run:
    """One run: gives out work, and takes what comes.

    Attributes:
        stop: set it, and it ends soon
    """

    def __init__(self, began: float, schedule: Schedule, output: Output, summary: Summary, bar: "tqdm[Never]") -> None:
        self.stop = threading.Event()
        self._began = began
        self._schedule = schedule
        self._output = output
        self._summary = summary
        self._bar = bar
        self._pace = Pace()
        self._asked = 0

    def work(self, crew: Crew) -> None:
        """Until all is done or it shall stop."""
        while not self._schedule.done and not self.stop.is_set():
            for worker in crew.free():
                if items := self._schedule.next_for(worker, self._pace.of(worker)):
                    crew.give(worker, items)
                    self._pace.begins(worker, len(items))
                    self._asked += len(items)
            self._take(crew, TURN_S)
        deadline = time.monotonic() + DRAIN_S
        while self._asked and not self._schedule.done and (left := deadline - time.monotonic()) > 0:
            self._take(crew, left)
        self._output.sync()

    def _take(self, crew: Crew, timeout: float) -> None:
        for news in crew.news(timeout):
            if isinstance(news, Lost):
                self._asked -= len(news.held) + len(news.others)
                self._summary.crashes += 1
                self._schedule.lose(news)
            else:
                self._asked -= 1
                self._schedule.answer(*news)
        self._write()
        self._output.sync(due=True)

    def _write(self) -> None:
        ready = list(self._schedule.ready())
        rows = [answer.row for _, answer in ready if answer.row is not None]
        if rows:
            self._output.write(rows)
            self._summary.start_s = self._summary.start_s or round(time.monotonic() - self._began, 3)
        for lane, answer in ready:
            if answer.last and lane.video:
                self._output.finish(shown(lane.video))
            if answer.error is not None:
                self._summary.errors += 1
                self._summary.first_error = self._summary.first_error or answer.error
        self._summary.new += len(rows)
        self._summary.rows += len(rows)
        self._bar.total = self._schedule.expected()
        self._bar.update(len(rows))

    def complete(self) -> bool:
        """Give the output its last form; False if it shall stop before that is done."""
        for rows in self._output.complete():
            self._bar.set_description(f"{rows} rows to Parquet")
            if self.stop.is_set():
                return False
        return True
