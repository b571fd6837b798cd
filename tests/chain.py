"""A device and a collector as processes, a database, and the proof that all arrived."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from chaos_run.parts import collector, device
from chaos_run.proof import Accepted, Proof, accepted, audit, prove
from waiting import DEADLINE, until

RATE = 200.0  # results per second
END_S = 90.0


class Chain:
    """The collector runs from the beginning of the block; the device is started by the test."""

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        database: str | None = None,
        options: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.database = database or str(folder / "collected.db")
        self._log = folder / "device-1" / "log"
        self.collector = collector(1, folder, port, self.database)
        chosen = {"drain_s": END_S, **(options or {})}
        self.device = device(1, folder, f"mqtt://127.0.0.1:{port}", RATE, chosen, environment)

    def log(self) -> list[Accepted]:
        """What the device has accepted so far."""
        return accepted(self._log)

    def accepts(self, results: int) -> None:
        """Wait until the device has taken so many more."""
        wanted = len(self.log()) + results

        def has_them() -> bool:
            self.device.check()
            return len(self.log()) >= wanted

        until(has_them, DEADLINE + 2 * results / RATE, f"{results} results")

    def ends(self) -> Proof:
        """Cleanly, when all is delivered; what became of all that was accepted. The collector's audit must agree."""
        for part in (self.device, self.collector):
            part.ask_to_end()
            assert part.end(END_S + 10.0) == 0
        assert audit(self.database)[0] == 0
        return prove({"device-1": self.log()}, self.database)

    def select(self, query: str) -> list[tuple[Any, ...]]:
        """From the database, where it is SQLite."""
        with closing(sqlite3.connect(self.database)) as database:
            return database.execute(query).fetchall()

    def __enter__(self) -> Self:
        self.collector.start()
        self.collector.wait_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.device.kill()
        self.collector.kill()
