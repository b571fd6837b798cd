"""The model as an application calls it: a frame at a time, eight at a time, or as many as it can.

Source: the scenarios SingleStream, MultiStream and Offline of LoadGen (MLPerf Inference rules), shortened: theirs take
600 s, and 24,576 samples. What is timed is `Model.predict`: preparation, inference and decoding.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count

from edge_infer.model import Model
from edge_infer.tools.bench.contenders import timed
from edge_infer.tools.bench.given import Given, open_model, warm
from edge_infer.tools.bench.record import Settings
from edge_infer.tools.bench.turn import Turn

QUERY = 8  # samples of a query. Source: MultiStream


def single(given: Given, settings: Settings, url: str) -> Turn:
    """One frame at a time, the next when the last is answered."""
    stages: dict[str, list[float]] = {}
    numbers = count()
    with open_model(given.path, settings) as model:
        warm(lambda: model.predict(given.frame(next(numbers))))
        taken: list[float] = []
        cpu, began = time.process_time(), time.monotonic()
        while (now := time.monotonic()) - began < settings.seconds:
            frame = given.frame(next(numbers))
            started = time.perf_counter()
            result = model.predict(frame)
            taken.append((time.perf_counter() - started) * 1e3)
            for name, ms in result.timings_ms.items():
                stages.setdefault(name, []).append(ms)
        cpu_seconds = time.process_time() - cpu
    return Turn(len(taken), now - began, cpu_seconds, began, now, {"latency": taken, **stages})


def multi(given: Given, settings: Settings, url: str) -> Turn:
    """Queries of eight frames, shared among the workers; the next query when the last is answered."""
    with _workers(given, settings) as (models, pool):
        firsts = count(0, QUERY)

        def answer(worker: int, first: int) -> None:
            for number in range(first + worker, first + QUERY, settings.workers):
                models[worker].predict(given.frame(number))

        def query() -> None:
            first = next(firsts)
            waiting = [pool.submit(answer, worker, first) for worker in range(1, settings.workers)]
            answer(0, first)
            for answered in waiting:
                answered.result()

        turn = timed(query, settings.seconds, "query")
    return Turn(turn.frames * QUERY, turn.seconds, turn.cpu_seconds, turn.began, turn.ended, turn.ms)


def offline(given: Given, settings: Settings, url: str) -> Turn:
    """As many frames as fit into the time, all there at the start; each worker takes the next, until all are done."""
    with _workers(given, settings) as (models, pool):

        def probe(worker: int) -> float:
            return warm(lambda: models[worker].predict(given.frame(0)))

        rate = sum(1.0 / seconds for seconds in pool.map(probe, range(settings.workers)))
        frames = max(QUERY, round(rate * settings.seconds))
        numbers = count()

        def work(worker: int) -> None:
            while (number := next(numbers)) < frames:  # one call in C: no two get the same
                models[worker].predict(given.frame(number))

        cpu, began = time.process_time(), time.monotonic()
        for _ in pool.map(work, range(settings.workers)):
            pass
        ended, cpu_seconds = time.monotonic(), time.process_time() - cpu
    return Turn(frames, ended - began, cpu_seconds, began, ended)


@contextmanager
def _workers(given: Given, settings: Settings) -> Iterator[tuple[list[Model], ThreadPoolExecutor]]:
    """A model for each worker, and the threads."""
    with ExitStack() as opened:
        models = [opened.enter_context(open_model(given.path, settings)) for _ in range(settings.workers)]
        yield models, opened.enter_context(ThreadPoolExecutor(settings.workers))
