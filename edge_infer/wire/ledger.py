"""Which sequence numbers have been seen: the proof that nothing is missing."""

from edge_infer.wire.ranges import Ranges


class Ledger:
    """Numbers 1.. of one epoch: constant memory while nothing is missing."""

    def __init__(self) -> None:
        self.duplicates = 0
        self._seen = Ranges()

    def __len__(self) -> int:
        return self._seen.count

    def ranges(self) -> list[tuple[int, int]]:
        """(first, last) of each range that was seen."""
        return list(self._seen)

    def add(self, first: int, last: int) -> list[tuple[int, int]]:
        """The numbers first..last were seen; returns ranges of those that are new, the others count as duplicates."""
        new = self._seen.holes(first, last)
        self.duplicates += last - first + 1 - self._seen.add(first, last)
        return new

    def missing(self, last: int) -> list[tuple[int, int]]:
        """Ranges of 1..last that were not seen."""
        return self._seen.holes(1, last)
