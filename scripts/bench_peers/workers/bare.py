"""`invoke` alone on what is in the input, on as many threads as `threads` says, an interpreter each."""

import time
from functools import partial

from bench_peers.workers.by_hand import RUNTIME, ByHand
from bench_peers.workers.turns import Given, Turns


def main() -> None:
    given = Given.from_arguments()
    turns = Turns(given)
    turns.work([partial(run, turns, ByHand(given)) for _ in range(given.options["threads"])], [RUNTIME])


def run(turns: Turns, model: ByHand) -> None:
    """Until the last turn."""
    model.run(model.prepare(turns.camera.frames[0]))
    invoke, go, paced = model.interpreter.invoke, turns.go, turns.given.fps > 0
    while True:
        if paced:
            turns.camera.tick()
        elif not go.is_set():
            turns.wait()
        started = time.monotonic_ns()
        invoke()
        turns.count(time.monotonic_ns() - started)


if __name__ == "__main__":
    main()
