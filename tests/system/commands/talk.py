"""Asking a running daemon for something, and what its subscribers see of it."""

from collections.abc import Callable
from typing import Any, TypeAlias

from broker import Subscriber
from waiting import until

Ask: TypeAlias = Callable[..., dict[str, Any]]
ALL = "commands: {allow: [ping, snapshot, pause, resume, reload, set, restart]}"


def results(subscriber: Subscriber, pipeline: str) -> list[dict[str, Any]]:
    return [result for heard in subscriber.on(f"/results/{pipeline}") for result in heard.said["results"]]


def seen(subscriber: Subscriber, pipeline: str) -> int:
    """How many objects the last result holds."""
    return len(results(subscriber, pipeline)[-1]["detections"])


def health(subscriber: Subscriber, pipeline: str) -> dict[str, Any]:
    """What the next report says of a pipeline."""
    before = len(subscriber.on("/health"))
    until(lambda: len(subscriber.on("/health")) > before, what="a health report")
    found: dict[str, Any] = subscriber.on("/health")[-1].said["pipelines"][pipeline]
    return found


def more_results(subscriber: Subscriber, pipeline: str, count: int = 3) -> list[dict[str, Any]]:
    """Those that come from now on."""
    before = len(results(subscriber, pipeline))
    until(lambda: len(results(subscriber, pipeline)) >= before + count, what=f"results of {pipeline}")
    return results(subscriber, pipeline)[before:]


def assert_nothing_is_missing(subscriber: Subscriber) -> None:
    seqs = sorted(subscriber.seqs())
    assert seqs == list(range(1, len(seqs) + 1))


def assert_source_went_on(subscriber: Subscriber, pipeline: str) -> None:
    """It was opened once (frames are numbered from 0 for each opening), and what is missing was said to be dropped."""

    def is_accounted_for() -> bool:
        found = results(subscriber, pipeline)
        frames = [result["frame"] for result in found]
        dropped = sum(sum(result.get("dropped", {}).values()) for result in found)
        assert frames == sorted(frames)
        return bool(frames[-1] - frames[0] + 1 - len(frames) <= dropped)

    until(is_accounted_for, what="every frame seen or said to be dropped")  # a drop may be said with the next result


def info(subscriber: Subscriber) -> dict[str, Any]:
    said: dict[str, Any] = subscriber.on("/info")[-1].said
    return said
