"""edge_infer as its daemon runs it: a pipeline with `workers` interpreters, its outbox on the disk, acknowledged."""

import os
import time
from pathlib import Path
from typing import Any

from bench_peers.workers.by_hand import PACKAGES
from bench_peers.workers.turns import LATE_S, MIN_SCORE, Given, Said, Turns
from edge_infer import load
from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.model import Model
from edge_infer.pipeline import Pipeline
from edge_infer.sources.source import BaseSource
from edge_infer.types import Frame, Result


def main() -> None:
    given = Given.from_arguments()
    turns = Turns(given)
    device = f"ours-{os.getpid()}"  # one id each: the broker throws out the older of two
    with MqttPublisher(given.url, device=device, state_dir=Path(given.frames).with_name(device)) as publisher:
        publisher.wait_connected(LATE_S)
        numbers: dict[int, int] = {}  # of frames, by the sequence number of their result
        acknowledge = publisher.outbox.acknowledge

        def publish(result: Result, name: str) -> int:
            seq = publisher.publish(result, name)
            numbers[seq] = result.number
            turns.answer(result.number, [{"result": result}])
            return seq

        def acknowledged(epoch: int, first: int, last: int) -> int:
            rows = acknowledge(epoch, first, last)
            for seq in range(first, last + 1):
                turns.done(number_of(seq))
            return rows

        def number_of(seq: int) -> int:
            while seq not in numbers:  # acknowledged before `publish` has returned
                time.sleep(1e-5)
            return numbers.pop(seq)

        setattr(publisher.outbox, "acknowledge", acknowledged)  # noqa: B010 - where the broker's word arrives
        pipeline = Pipeline(
            "bench",
            lambda: Ring(turns),
            lambda: loaded(given),
            publish,
            workers=given.options["workers"],
        )
        pipeline.start()
        turns.serve(["edge-infer", *PACKAGES], lambda said: described(said[0]["result"]))
        pipeline.stop()
        turns.go.set()
        pipeline.join(LATE_S)


def loaded(given: Given) -> Model:
    """The model; of classes the best are wanted, however low."""
    if given.kind == "classify":
        return load(given.model, device="cpu")
    return load(given.model, device="cpu", min_score=MIN_SCORE)


class Ring(BaseSource):
    """The frames of the comparison."""

    def __init__(self, turns: Turns) -> None:
        super().__init__("ring", live=turns.given.fps > 0)
        self._turns = turns

    def read(self) -> Frame:
        """The next one."""
        number, data = self._turns.read()
        return Frame(self.name, number, data, time.time(), time.monotonic_ns())

    def close(self) -> None:
        """There is nothing to close."""


def described(result: Result) -> Said:
    """As the others say it."""
    return [object_of(one) for one in result]


def object_of(one: Any) -> dict[str, Any]:
    """A detection or a class."""
    return {"label": one.label, "score": one.score} | ({"box": list(one.box)} if hasattr(one, "box") else {})


if __name__ == "__main__":
    main()
