import logging
import threading

import pytest

from edge_infer.errors import DelegateError, ModelError, SourceError, UnavailableError
from edge_infer.flow.backoff import Backoff
from edge_infer.flow.worker import Worker

DEADLINE = 10.0


def at_once() -> Backoff:
    return Backoff(uniform=lambda low, high: 0.0)


def finished(worker: Worker) -> Worker:
    worker.start()
    assert worker.join(DEADLINE)
    return worker


def test_a_body_that_returns_ends_the_worker() -> None:
    worker = finished(Worker("w", lambda worker: None))
    assert not worker.alive
    assert worker.error is None
    assert worker.retries == 0


def test_what_may_work_again_is_retried_until_it_works() -> None:
    steps = iter([SourceError("one"), DelegateError("two"), None])

    def body(worker: Worker) -> None:
        step = next(steps)
        if step:
            raise step

    worker = finished(Worker("w", body, at_once()))
    assert worker.retries == 2
    assert worker.error is None


@pytest.mark.parametrize("error", [ModelError("bad"), UnavailableError("gone"), KeyError("bug")])
def test_any_other_error_ends_the_worker_and_is_kept(error: Exception) -> None:
    def body(worker: Worker) -> None:
        raise error

    worker = finished(Worker("w", body, at_once()))
    assert worker.error is error
    assert worker.retries == 0


def test_stopping_does_not_wait_for_the_next_attempt() -> None:
    retrying = threading.Event()

    def hour(low: float, high: float) -> float:
        retrying.set()
        return 3600.0

    def body(worker: Worker) -> None:
        raise SourceError("gone")

    worker = Worker("w", body, Backoff(uniform=hour))
    worker.start()
    assert retrying.wait(DEADLINE)
    worker.stop()
    assert worker.join(DEADLINE)
    assert worker.error is None


def test_a_body_sees_that_it_should_stop() -> None:
    worker = Worker("w", lambda worker: worker.stopping.wait(DEADLINE))
    worker.start()
    assert not worker.join(0.0)
    worker.stop()
    assert worker.join(DEADLINE)


def test_the_reason_for_retrying_is_there_until_something_works() -> None:
    seen = []

    def body(worker: Worker) -> None:
        seen.append(str(worker.last_retry))
        if worker.retries == 0:
            raise SourceError("no camera")
        worker.progress()
        seen.append(str(worker.last_retry))

    finished(Worker("w", body, at_once()))
    assert seen == ["None", "no camera", "None"]


def test_progress_makes_the_next_retry_quick_again() -> None:
    ceilings: list[float] = []

    def note(low: float, high: float) -> float:
        ceilings.append(high)
        return 0.0

    def body(worker: Worker) -> None:
        if worker.retries == 3:
            worker.progress()
        if worker.retries < 5:
            raise SourceError("gone")

    finished(Worker("w", body, Backoff(base=1.0, cap=100.0, uniform=note)))
    assert ceilings == [1.0, 2.0, 4.0, 1.0, 2.0]


def test_the_same_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    reasons = iter(["gone", "gone", "gone", "refused"])

    def body(worker: Worker) -> None:
        reason = next(reasons, None)
        if reason:
            raise SourceError(reason)

    with caplog.at_level(logging.WARNING):
        finished(Worker("w", body, at_once()))
    assert [record.getMessage() for record in caplog.records] == ["gone, trying again", "refused, trying again"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), MemoryError("no room")])
def test_whatever_ends_a_thread_is_kept(error: BaseException) -> None:
    def body(worker: Worker) -> None:
        raise error

    worker = finished(Worker("w", body, at_once()))
    assert isinstance(worker.error, Exception)
    assert type(error).__name__ in f"{type(worker.error).__name__} {worker.error}"


def test_an_abandoned_worker_that_comes_back_and_fails_does_not_try_again() -> None:
    hangs, goes_on, runs = threading.Event(), threading.Event(), []

    def body(worker: Worker) -> None:
        runs.append(worker)
        hangs.set()
        assert goes_on.wait(DEADLINE)
        raise SourceError("gone")

    worker = Worker("w", body, at_once())
    worker.start()
    assert hangs.wait(DEADLINE)
    worker.abandon()
    goes_on.set()
    assert worker.join(DEADLINE)
    assert (len(runs), worker.retries, worker.last_retry) == (1, 0, None)


def test_a_worker_that_takes_the_place_of_another_says_why_until_it_works() -> None:
    seen = []

    def body(worker: Worker) -> None:
        seen.append(str(worker.last_retry))
        worker.progress()
        seen.append(str(worker.last_retry))

    finished(Worker("w", body, because=SourceError("the other hangs")))
    assert seen == ["the other hangs", "None"]
