"""One run: everything starts, goes wrong, calms down and is drained."""

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from chaos_run.parts import BrokerPart, Part, collector, device
from chaos_run.plan import Step
from chaos_run.postgres import Postgres
from chaos_run.proxy import ChaosProxy

RATE = 100.0  # results per second and device
DRAIN_S = 120.0  # what a kill lost on its way is sent again after at most a minute, and then it has to flow
END_S = 20.0
CHECK_S = 0.1
SLOW_S, JITTER_S, NARROW = 0.1, 0.2, 20_000.0  # a bad mobile network: seconds, seconds, bytes per second


class Cast(NamedTuple):
    """Who takes part."""

    devices: int = 3
    collectors: int = 2
    postgres: bool = False
    ack: str = "collector"
    durability: str = "relaxed"


class Run:
    """Devices, each behind a network of its own, a broker, collectors and a database; all ended with the block.

    Attributes:
        database: its URL
        devices: those that publish; their folders hold what they say of themselves
        kills: how often what befell which kind
    """

    def __init__(self, folder: Path, cast: Cast, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self._stack = ExitStack()
        self._broker = BrokerPart(folder)
        self._server = Postgres(folder) if cast.postgres else None
        if self._server:
            self._stack.callback(self._server.remove)
        self.database = self._server.url if self._server else str(folder / "collected.db")
        numbers = range(1, cast.collectors + 1)
        self._collectors = [collector(n, folder, self._broker.port, self.database) for n in numbers]
        self._links: dict[str, ChaosProxy] = {}
        self.devices: list[Part] = []
        for number in range(1, cast.devices + 1):
            link = self._stack.enter_context(ChaosProxy(self._broker.port, seed + number))
            self._links[f"link {number}"] = link
            chosen = {"drain_s": DRAIN_S, "ack": cast.ack, "durability": cast.durability}
            self.devices.append(device(number, folder, link.url, RATE, chosen))
        self._servers = [*([self._server] if self._server else []), self._broker, *self._collectors]
        self._parts = {part.name: part for part in (*self._servers, *self.devices)}

    @property
    def victims(self) -> dict[str, Sequence[str]]:
        """What can go wrong, by kind."""
        named: dict[str, Sequence[str]] = {
            "device": [part.name for part in self.devices],
            "collector": [part.name for part in self._collectors],
            "broker": [self._broker.name],
            "link": list(self._links),
        }
        return named | ({"database": [self._server.name]} if self._server else {})

    def suffer(self, steps: Sequence[Step], seconds: float) -> None:
        """Let these things go wrong, and be mended, for so long.

        Raises:
            PartError: somebody ended whom nobody had killed.
        """
        events = [(step.begin, self._begin(step)) for step in steps] + [(step.end, self._end(step)) for step in steps]
        began = time.monotonic()
        for at, act in [*sorted(events, key=lambda event: event[0]), (seconds, lambda: None)]:
            while (left := began + at - time.monotonic()) > 0:
                time.sleep(min(left, CHECK_S))
                self._check()
            act()
        for link in self._links.values():
            link.calm()

    def drain(self) -> tuple[float, list[str]]:
        """Let the devices deliver what they hold, then end all; how long it took, and who failed.

        Raises:
            PartError: somebody does not end, or had ended before.
        """
        for part in self._parts.values():
            part.wait_ready()
        began = time.monotonic()
        for part in self.devices:
            part.ask_to_end()
        while not all(part.ended for part in self.devices) and time.monotonic() < began + DRAIN_S + END_S:
            time.sleep(CHECK_S)
            self._check(*self._servers)
        failed = [f"{part.name} ended with {code}" for part in self.devices if (code := part.end(0.0))]
        took = time.monotonic() - began
        for part in self._collectors:
            part.ask_to_end()
        failed += [f"{part.name} ended with {code}" for part in self._collectors if (code := part.end(END_S))]
        return took, failed

    def duplicates(self) -> int:
        """How many results came more than once, as far as the collectors lived to tell."""
        told = (re.findall(r" duplicates=(\d+)", life) for part in self._collectors for life in part.lives())
        return sum(int(counts[-1]) for counts in told if counts)

    def _begin(self, step: Step) -> Callable[[], object]:
        part, link = self._parts.get(step.whom), self._links.get(step.whom)
        acts: dict[str, Callable[[], object]] = {}
        if part is not None:
            acts = {"kill": part.kill, "outage": part.kill, "crash": part.kill, "freeze": part.freeze}
            acts["restart"] = part.stop
        if link is not None:
            acts = {
                "reset": link.drop,
                "hang up": lambda: link.drop(reset=False),
                "refuse": lambda: _refuse(link),
                "black hole": link.black_hole,
                "swallow up": lambda: link.half_open("up"),
                "swallow down": lambda: link.half_open("down"),
                "slow": lambda: link.slow(SLOW_S, JITTER_S),
                "narrow": lambda: link.narrow(NARROW),
            }

        def begin() -> None:
            self.kills[f"{step.what} {step.whom.split()[0]}"] += 1
            acts[step.what]()

        return begin

    def _end(self, step: Step) -> Callable[[], object]:
        if step.whom in self._links:
            return self._links[step.whom].calm
        part = self._parts[step.whom]
        return part.thaw if step.what == "freeze" else part.start

    def _check(self, *parts: Part) -> None:
        for part in parts or self._parts.values():
            part.check()

    def __enter__(self) -> Self:
        for part in self._parts.values():
            self._stack.callback(part.kill)
            part.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _refuse(link: ChaosProxy) -> None:
    link.refuse()
    link.drop()
