"""Which sequence numbers have been seen: the proof that nothing is missing."""

from bisect import bisect_right


class Ledger:
    """Numbers 1.. of one epoch, as ranges: constant memory while nothing is missing."""

    def __init__(self) -> None:
        self.duplicates = 0
        self._first: list[int] = []  # of each range, rising; ranges neither overlap nor touch
        self._last: list[int] = []

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges())

    def ranges(self) -> list[tuple[int, int]]:
        """(first, last) of each range that was seen."""
        return list(zip(self._first, self._last, strict=True))

    def add(self, first: int, last: int) -> None:
        """The numbers first..last were seen; those seen before count as duplicates."""
        before = len(self)
        left = bisect_right(self._first, first) - 1
        left = left if left >= 0 and self._last[left] >= first - 1 else left + 1
        right = bisect_right(self._first, last + 1)
        joined = list(zip(self._first[left:right], self._last[left:right], strict=True))
        self._first[left:right] = [min([first, *(f for f, _ in joined)])]
        self._last[left:right] = [max([last, *(e for _, e in joined)])]
        self.duplicates += last - first + 1 - (len(self) - before)

    def missing(self, last: int) -> list[tuple[int, int]]:
        """Ranges of 1..last that were not seen."""
        holes = []
        expected = 1
        for first, end in self.ranges():
            if first > last:
                break
            if first > expected:
                holes.append((expected, first - 1))
            expected = end + 1
        return [*holes, (expected, last)] if expected <= last else holes
