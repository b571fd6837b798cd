"""Workers on a Ray cluster: one actor each."""

import os
import shutil
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stdout, suppress
from typing import Any

from edge_infer.errors import EdgeInferError, UnavailableError
from edge_infer.tools.batch.crew import STILLBORN, Lost, News, Refusal, stillborn
from edge_infer.tools.batch.items import Item
from edge_infer.tools.batch.shard import Answer, Loaded, ModelSpec, run_shard, settle

# Rows are small and go through no object store: the least that Ray takes, not 30 % of the memory.
# Source: ray_constants.OBJECT_STORE_MINIMUM_MEMORY_BYTES, 75 MiB
OBJECT_STORE_BYTES = 80 * 2**20
KNOCK_S = 5.0  # for a machine of the cluster to answer


class Hand:
    """A worker's own life, in an actor: `run_shard`, fed as orders come."""

    def __init__(self, spec: ModelSpec) -> None:
        self._given: deque[Item] = deque()
        self._spec = spec

    def load(self) -> Refusal | None:
        """Get ready for the first item."""
        try:
            settle(self._spec)
            self._said = run_shard(self._take(), self._spec)
            next(self._said)
        except EdgeInferError as error:
            return Refusal.of(error)
        return None

    def answer(self, items: list[Item]) -> list[Answer] | Refusal:
        """One answer for each item."""
        self._given.extend(items)
        try:
            return [said for _ in items if not isinstance(said := next(self._said), Loaded)]
        except EdgeInferError as error:
            return Refusal.of(error)

    def _take(self) -> Iterator[Item]:
        while True:
            yield self._given.popleft()


class RayCrew:
    """See `Crew`. The cluster at $RAY_ADDRESS, or one of our own on this machine."""

    def __init__(self, spec: ModelSpec, workers: int | None) -> None:
        """As many workers as the cluster has CPUs, if it is not said.

        Raises:
            UnavailableError: Ray is not installed, or there is no such cluster.
        """
        try:
            import ray
            import ray.exceptions
        except ImportError as error:
            raise UnavailableError("--engine ray needs Ray: pip install 'edge-infer[ray]'") from error
        self._ray = ray
        self._folder: str | None = None
        self._quiet = ExitStack()
        self._quiet.enter_context(redirect_stdout(sys.stderr))  # where Ray tells that a worker died: no answer of ours
        self._workers: dict[int, Any] = {}
        self._start(workers)
        self._size = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._spec = ray.put(spec)
        self._actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Hand)
        self._orders: dict[Any, tuple[int, tuple[Item, ...]]] = {}  # by the answer that is awaited; no items: it loads
        self._hired = 0
        self._stillborn = 0

    def _start(self, workers: int | None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        address = os.environ.get("RAY_ADDRESS", "")
        if not address:
            # A short name: its sockets lie below, and their paths may have 107 bytes. Source: unix(7)
            self._folder = tempfile.mkdtemp(prefix="ei-ray-")
            options |= {
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE_BYTES,
                "_temp_dir": self._folder,
            }
            options["num_cpus"] = workers  # each takes one; None: as many as there are
        try:
            _knock(address)
            self._ray.init(**options)
        except (OSError, RuntimeError, ValueError) as error:
            self.close()
            where = address or "this machine"
            raise UnavailableError(
                f"there is no Ray at {where} ({error}): check $RAY_ADDRESS, $RAY_AUTH_MODE"
            ) from error

    def free(self) -> list[int]:
        """See `Crew`; who died is replaced here."""
        while len(self._workers) < self._size:
            self._workers[self._hired] = hand = self._actor.remote(self._spec)
            self._orders[hand.load.remote()] = self._hired, ()
            self._hired += 1
        busy = {number for number, _ in self._orders.values()}
        return [number for number in self._workers if number not in busy]

    def give(self, worker: int, items: list[Item]) -> None:
        """See `Crew`."""
        self._orders[self._workers[worker].answer.remote(items)] = worker, tuple(items)

    def news(self, timeout: float) -> Iterator[News]:
        """See `Crew`.

        Raises:
            StalledError: they die while they load the model.
        """
        done, _ = self._ray.wait(list(self._orders), timeout=timeout)
        for order in done:
            number, items = self._orders.pop(order)
            try:
                said = self._ray.get(order)
            except self._ray.exceptions.RayError as error:
                yield self._lost(number, items, f"lost by Ray ({type(error).__name__})")
                continue
            if isinstance(said, Refusal):
                raise said.error
            self._stillborn = 0
            yield from zip(items, said or (), strict=True)

    def _lost(self, number: int, items: tuple[Item, ...], reason: str) -> Lost:
        """Which of them it died of is not known: an answer comes for all at once."""
        del self._workers[number]
        if not items:
            self._stillborn += 1
            if self._stillborn == STILLBORN:
                raise stillborn(reason)
        return Lost(items, (), reason)

    def close(self) -> None:
        """See `Crew`."""
        for hand in self._workers.values():
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(hand)
        self._ray.shutdown()
        self._quiet.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


def _knock(address: str) -> None:
    """OSError where nobody listens: Ray would try for minutes. Other addresses than host:port are Ray's own matter."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host, int(port)), KNOCK_S).close()
