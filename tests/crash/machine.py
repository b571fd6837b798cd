"""A device on a machine whose power can be cut, and what its disk holds afterwards."""

from contextlib import closing
from pathlib import Path

import msgspec
from chaos_run.loop_disk import LoopDisk
from chaos_run.parts import device
from chaos_run.proof import Accepted, Head, accepted
from waiting import until

from edge_infer.deliver.store import Store
from edge_infer.wire.payloads import Gap

NO_BROKER = "mqtt://127.0.0.1:1"  # nobody listens there: everything has to be kept
COMMIT_S = 0.3
RATE = 400.0
START_S = 20.0


class Machine:
    """One device, whose state lies on `disk` and whose log lies beside it."""

    def __init__(self, folder: Path, disk: LoopDisk, durability: str, url: str = NO_BROKER) -> None:
        state = disk.path / "state"
        self._disk = disk
        self._log = folder / "device-1" / "log"
        self._outbox = state / "outbox-device-1.db"
        options = {"state": state, "commit_s": COMMIT_S, "durability": durability}
        self.process = device(1, folder, url, RATE, options)

    def start(self) -> None:
        self.process.start()

    def accepts(self, results: int) -> None:
        """Wait until it has taken so many more."""
        wanted = self._lines() + results

        def has_them() -> bool:
            self.process.check()
            return self._lines() >= wanted

        until(has_them, START_S, f"{results} results")

    def loses_power(self) -> tuple[list[Accepted], list[Accepted]]:
        """Cut it, and give it back; what had been accepted before, of all starts, and what was during the cut."""
        before = accepted(self._log)
        self._disk.cut_power()
        self.process.kill()
        self._disk.remount()
        return before, accepted(self._log)[len(before) :]

    def ends(self) -> list[Accepted]:
        """A clean end; returns all that was ever accepted."""
        self.process.ask_to_end()
        self.process.end(START_S)
        return accepted(self._log)

    def kept(self) -> tuple[dict[tuple[int, int], int], list[Gap]]:
        """See below."""
        return kept(self._outbox)

    def _lines(self) -> int:
        return self._log.read_bytes().count(b"\n") if self._log.exists() else 0


def kept(outbox: Path) -> tuple[dict[tuple[int, int], int], list[Gap]]:
    """The frame of each result on the disk by (epoch, seq), and the gaps there."""
    frames = {}
    with closing(Store(outbox)) as store:
        found = store.open()
        assert found.set_aside is None, "the outbox was damaged"
        for chunk in found.chunks:
            assert chunk.row is not None
            for record in store.load(chunk.row):
                if record.seq in chunk.held:
                    frames[chunk.epoch, record.seq] = msgspec.json.decode(record.payload, type=Head).frame
    return frames, found.gaps
