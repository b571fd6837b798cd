"""Numbers that were given up, until somebody has stored that they were."""

from dataclasses import dataclass

from edge_infer.wire.payloads import Gap

MAX_GAPS = 100  # in one message


@dataclass(slots=True)
class _Entry:
    last: int | None
    reason: str
    sent: bool = False  # on its way
    frozen: bool = False  # it was sent once: whoever stored it knows it by its first number, so it never grows again
    stored: bool = False  # on the disk as it is
    row: bool = False  # on the disk in some form


class Gaps:
    """Each number lies in one entry; the last entry grows while it has not been sent."""

    def __init__(self) -> None:
        self._entries: dict[tuple[int, int], _Entry] = {}
        self._growing: dict[tuple[int, int, str], tuple[int, int]] = {}  # by epoch, last + 1, reason
        self._deleted: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def unreported(self) -> bool:
        """Some are not on their way."""
        return any(not entry.sent for entry in self._entries.values())

    @property
    def oldest(self) -> tuple[int, int] | None:
        """(epoch, first) of the oldest."""
        return min(self._entries, default=None)

    def add(self, epoch: int, first: int, last: int | None, reason: str) -> None:
        """Numbers first..last (None: to the end) of an epoch are given up."""
        key = self._growing.pop((epoch, first, reason), None)
        if key is not None and not self._entries[key].frozen:
            self._entries[key].last = last
            self._entries[key].stored = False
        else:
            key = (epoch, first)
            self._entries[key] = _Entry(last, reason)
        if last is not None:
            self._growing[epoch, last + 1, reason] = key

    def restore(self, gap: Gap) -> None:
        """One that lay on the disk: it may have been sent before."""
        self._entries[gap.epoch, gap.first] = _Entry(gap.last, gap.reason, frozen=True, stored=True, row=True)

    def take(self, *, stored_only: bool) -> tuple[Gap, ...]:
        """Some that are not on their way, which they are now; `stored_only`: none that a power cut would forget."""
        found = []
        for (epoch, first), entry in self._entries.items():
            if entry.sent or (stored_only and not entry.stored):
                continue
            entry.sent = entry.frozen = True
            found.append(Gap(epoch=epoch, first=first, last=entry.last, reason=entry.reason))
            if len(found) == MAX_GAPS:
                break
        return tuple(found)

    def release(self, gaps: tuple[Gap, ...]) -> None:
        """They may not have arrived: report them again."""
        for gap in gaps:
            if entry := self._entries.get((gap.epoch, gap.first)):
                entry.sent = False

    def acknowledge(self, epoch: int, first: int) -> bool:
        """It is stored elsewhere; False if there is none."""
        entry = self._entries.get((epoch, first))
        if entry is None or not entry.frozen:
            return False
        del self._entries[epoch, first]
        if entry.last is not None:
            self._growing.pop((epoch, entry.last + 1, entry.reason), None)
        if entry.row:
            self._deleted.append((epoch, first))
        return True

    def forget_disk(self) -> None:
        """Nothing is on the disk any more."""
        self._deleted.clear()
        for entry in self._entries.values():
            entry.stored = entry.row = False

    def changes(self) -> tuple[list[Gap], list[tuple[int, int]]]:
        """(written, deleted) since the last call: what the disk does not know yet."""
        written = []
        for (epoch, first), entry in self._entries.items():
            if not entry.stored:
                entry.stored = entry.row = True
                written.append(Gap(epoch=epoch, first=first, last=entry.last, reason=entry.reason))
        deleted, self._deleted = self._deleted, []
        return written, deleted

    def not_written(self, written: list[Gap], deleted: list[tuple[int, int]]) -> None:
        """The disk did not take these changes."""
        for gap in written:
            if entry := self._entries.get((gap.epoch, gap.first)):
                entry.stored = False
        self._deleted[:0] = deleted
