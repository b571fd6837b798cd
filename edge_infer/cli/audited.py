"""What `collector audit` shows: a line for each start of a device, and below it what a person should know."""

from collections.abc import Iterator, Mapping, Sequence

from edge_infer.collector.audit import EpochAudit

HEAD = ("device", "epoch", "numbers", "rows", "expired", "in gaps", "missing", "awaited", "double")
SHOWN = 10  # ranges, and gaps: a person counts no more


def render(epochs: Sequence[EpochAudit], letters: Mapping[str | None, int]) -> list[str]:
    """The lines of the table, and the verdict; `letters`: how many dead letters there are of each device."""
    table = [HEAD, *(_cells(epoch) for epoch in epochs)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEAD))]
    lines = [_line(HEAD, widths)]
    for epoch, cells in zip(epochs, table[1:], strict=True):
        lines += [_line(cells, widths), *(f"  {note}" for note in _notes(epoch))]
    if letters:
        of = sorted((device or "no device", count) for device, count in letters.items())
        lines.append(f"dead letters: {', '.join(f'{count} of {device}' for device, count in of)}")
    return [*lines, _verdict(epochs)]


def _cells(epoch: EpochAudit) -> tuple[str, ...]:
    in_gaps = sum(gap.lost for gap in epoch.gaps)
    spans = (epoch.missing, epoch.awaited, epoch.double)
    numbers = (epoch.epoch, epoch.highest, epoch.rows, epoch.expired, in_gaps, *(_count(found) for found in spans))
    return epoch.device, *map(str, numbers)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Names to the left, numbers to the right."""
    return "  ".join([cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))])


def _notes(epoch: EpochAudit) -> Iterator[str]:
    if len(epoch.stored) > 1:
        yield f"stored {_ranges(epoch.stored)}"
    for gap in epoch.gaps[:SHOWN]:
        yield f"gap {gap.first}..{'' if gap.last is None else gap.last} ({gap.reason}): {gap.lost} lost"
    if len(epoch.gaps) > SHOWN:
        yield f"and {len(epoch.gaps) - SHOWN} gaps more"
    for what in ("missing", "awaited", "double", "late"):
        if found := getattr(epoch, what):
            yield f"{what} {_ranges(found)}"
    for boot in epoch.other_boots:
        yield f"conflict: two devices call themselves {epoch.device}, with boots {epoch.boot} and {boot}"


def _verdict(epochs: Sequence[EpochAudit]) -> str:
    missing, awaited, double = (
        sum(_count(getattr(epoch, what)) for epoch in epochs) for what in ("missing", "awaited", "double")
    )
    if missing or double:
        return f"{missing} missing, {double} double, {awaited} awaited"
    if not epochs:
        return "nothing has been collected"
    if awaited:
        return f"nothing is missing so far; {awaited} are still with their devices"
    return "nothing is missing: each number is one row, or lies in one gap"


def _count(spans: Sequence[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in spans)


def _ranges(spans: Sequence[tuple[int, int]]) -> str:
    shown = ", ".join(f"{first}..{last}" if first != last else str(first) for first, last in spans[:SHOWN])
    return f"{shown} and {len(spans) - SHOWN} ranges more" if len(spans) > SHOWN else shown
