"""The loop that one writes by hand, on as many threads as `threads` says; `wait`: for each acknowledgement."""

from functools import partial

from bench_peers.workers.by_hand import PACKAGES, ByHand
from bench_peers.workers.publishing import Publishing
from bench_peers.workers.turns import Given, Turns


def main() -> None:
    given = Given.from_arguments()
    turns = Turns(given)
    publishing = Publishing(turns)
    threads = range(given.options.get("threads", 1))
    turns.work([partial(run, turns, ByHand(given), publishing) for _ in threads], PACKAGES)


def run(turns: Turns, model: ByHand, publishing: Publishing) -> None:
    """Until the last turn."""
    wait = turns.given.options.get("wait", False)
    while True:
        number, frame = turns.read()
        publishing.send(number, turns.say(number, model(frame)), wait=wait)


if __name__ == "__main__":
    main()
