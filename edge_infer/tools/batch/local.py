"""Workers on this machine: one process each, forked from one that has imported all they need.

That halves the memory of a worker (17 MB of its own with the face detector, of a fresh process 34: measured on x86-64),
and a replacement costs milliseconds.
"""

import ctypes
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import msgspec

from edge_infer.errors import EdgeInferError
from edge_infer.runtime.libraries import KNOWN
from edge_infer.tools.batch.crew import STILLBORN, Lost, News, Refusal, stillborn
from edge_infer.tools.batch.items import Item
from edge_infer.tools.batch.shard import Answer, Loaded, ModelSpec, run_shard, settle

HANGS_S = 600.0  # one picture or frame takes seconds at most; a long way to a late frame of a video, minutes
DEATH_S = 5.0  # for the kernel to end a process; OpenCV's and the runtime's memory go at once
PR_SET_PDEATHSIG = 1  # Source: linux/prctl.h

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Loaded | Answer | Refusal).decode


class LocalCrew:
    """See `Crew`."""

    def __init__(self, spec: ModelSpec, workers: int, hangs_s: float = HANGS_S) -> None:
        """A worker that says nothing for `hangs_s` is killed, and what it held is treated as if it had died of it."""
        self._spec = spec
        self._size = workers
        self._hangs_s = hangs_s
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, *(module for module, _ in KNOWN.values())])
        with _one_thread_each():
            forkserver.ensure_running()
        self._workers: dict[int, _Worker] = {}
        self._hired = 0
        self._stillborn = 0

    def free(self) -> list[int]:
        """See `Crew`; who died is replaced here."""
        while len(self._workers) < self._size:
            self._workers[self._hired] = _Worker(self._context, self._spec)
            self._hired += 1
        return [number for number, worker in self._workers.items() if worker.loaded and not worker.asked]

    def give(self, worker: int, items: list[Item]) -> None:
        """See `Crew`."""
        self._workers[worker].give(items)

    def news(self, timeout: float) -> Iterator[News]:
        """See `Crew`.

        Raises:
            StalledError: they die while they load the model.
        """
        talking = set(wait([worker.connection for worker in self._workers.values()], timeout))
        for number, worker in list(self._workers.items()):
            if worker.connection in talking:
                yield from worker.answers()
                self._stillborn = 0 if worker.loaded else self._stillborn
            elif worker.asked and time.monotonic() - worker.heard > self._hangs_s:
                worker.process.kill()
                worker.reason = f"gave no answer for {self._hangs_s:g} s"
            if worker.dead:
                del self._workers[number]
                yield self._buried(worker)

    def _buried(self, worker: "_Worker") -> Lost:
        worker.end()
        if not worker.loaded:
            self._stillborn += 1
            if self._stillborn == STILLBORN:
                raise stillborn(worker.reason)
        asked = tuple(worker.asked)
        return Lost(asked[:1], asked[1:], worker.reason)

    def close(self) -> None:
        """See `Crew`."""
        for worker in self._workers.values():
            worker.end()
        self._workers.clear()


class _Worker:
    """One process, seen from ours.

    Attributes:
        asked: what it has been given and not answered, in this order: it is at the first
        heard: when it last said something
    """

    def __init__(self, context: multiprocessing.context.ForkServerContext, spec: ModelSpec) -> None:
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=serve, args=(theirs, spec), daemon=True)
        self.process.start()
        theirs.close()
        self.asked: deque[Item] = deque()
        self.loaded = False
        self.dead = False
        self.reason = ""
        self.heard = time.monotonic()

    def give(self, items: list[Item]) -> None:
        self.asked.extend(items)
        self.heard = time.monotonic()
        with suppress(OSError):  # it has died: `answers` finds that out
            self.connection.send(items)

    def answers(self) -> Iterator[tuple[Item, Answer]]:
        """What it has said; afterwards it may be `dead`."""
        try:
            while self.connection.poll():
                said = _decode(self.connection.recv_bytes())
                self.heard = time.monotonic()
                if isinstance(said, Refusal):
                    raise said.error
                if isinstance(said, Answer):
                    yield self.asked.popleft(), said
                self.loaded = True
        except (EOFError, OSError):
            self.dead = True

    def end(self) -> None:
        """Let it die, and find out of what it did."""
        self.process.join(DEATH_S if self.dead else 0)
        self.process.kill()
        self.process.join(DEATH_S)
        code = self.process.exitcode
        self.connection.close()
        self.reason = self.reason or (
            f"killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code}"
        )


def serve(connection: Connection, spec: ModelSpec) -> None:
    """A worker's own life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C is meant for our parent, which ends us
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        settle(spec)
        for said in run_shard(_asked(connection), spec):
            _say(connection, said)
    except EdgeInferError as error:
        _say(connection, Refusal.of(error))


def _say(connection: Connection, said: Loaded | Answer | Refusal) -> None:
    try:
        connection.send_bytes(_encode(said))
    except OSError:
        os._exit(0)  # our parent is gone


def _asked(connection: Connection) -> Iterator[Item]:
    while True:
        try:
            items: list[Item] = connection.recv()
        except (EOFError, OSError):
            return
        yield from items


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Forking needs a process of one thread, and the workers share the cores."""
    wanted = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
