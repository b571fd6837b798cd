"""Sets of whole numbers, kept as ranges."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Ranges:
    """Whole numbers as ranges that neither overlap nor touch: small as long as few are missing in between."""

    __slots__ = ("_first", "_last", "count")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        self.count = 0
        for first, last in ranges:
            self.add(first, last)

    def __len__(self) -> int:
        """How many ranges."""
        return len(self._first)

    def __bool__(self) -> bool:
        return bool(self._first)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """(first, last) of each range, rising."""
        return iter(list(zip(self._first, self._last, strict=True)))

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._first, number) - 1
        return at >= 0 and self._last[at] >= number

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and (self._first, self._last) == (other._first, other._last)

    __hash__ = None  # type: ignore[assignment]  # it changes

    @property
    def lowest(self) -> int:
        """The lowest number; IndexError where there is none."""
        return self._first[0]

    @property
    def highest(self) -> int:
        """The highest number; IndexError where there is none."""
        return self._last[-1]

    def add(self, first: int, last: int) -> int:
        """Add first..last; returns how many of them are new."""
        left = bisect_left(self._last, first - 1)  # the first range that overlaps or touches
        right = bisect_right(self._first, last + 1)
        inside = sum(self._last[i] - self._first[i] + 1 for i in range(left, right))
        if left < right:
            first, last = min(first, self._first[left]), max(last, self._last[right - 1])
        self._first[left:right] = [first]
        self._last[left:right] = [last]
        new = last - first + 1 - inside
        self.count += new
        return new

    def remove(self, first: int, last: int) -> int:
        """Remove first..last; returns how many of them were there."""
        left = bisect_left(self._last, first)  # the first range that overlaps
        right = bisect_right(self._first, last)
        if left >= right:
            return 0
        before = sum(self._last[i] - self._first[i] + 1 for i in range(left, right))
        kept = [(self._first[left], first - 1), (last + 1, self._last[right - 1])]
        kept = [(a, b) for a, b in kept if a <= b]
        self._first[left:right] = [a for a, _ in kept]
        self._last[left:right] = [b for _, b in kept]
        gone = before - sum(b - a + 1 for a, b in kept)
        self.count -= gone
        return gone

    def within(self, first: int, last: int) -> list[tuple[int, int]]:
        """The parts of the ranges that lie in first..last."""
        left, right = bisect_left(self._last, first), bisect_right(self._first, last)
        return [(max(first, self._first[i]), min(last, self._last[i])) for i in range(left, right)]

    def holes(self, first: int, last: int) -> list[tuple[int, int]]:
        """The parts of first..last that are not in the ranges."""
        holes = []
        for start, end in self.within(first, last):
            if start > first:
                holes.append((first, start - 1))
            first = end + 1
        return [*holes, (first, last)] if first <= last else holes
