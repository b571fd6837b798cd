"""What was learned from how much, and what may be believed of it: for a person, a script, and the model's card."""

from collections.abc import Mapping
from dataclasses import dataclass

from edge_infer.tools.fit_anomaly.learning import Outcome
from edge_infer.tools.fit_anomaly.threshold import DAY_S


@dataclass(frozen=True)
class Report:
    """The outcome in words.

    Attributes:
        source: its name
        noun: frames or windows
        skipped: left out by the source, by cause
        timed: it is known when they were taken
        stopped: a person ended the recording
    """

    outcome: Outcome
    source: str
    noun: str
    skipped: Mapping[str, int]
    timed: bool
    stopped: bool

    @property
    def summary(self) -> str:
        """One sentence for the manifest."""
        learned, calibrate, check = self.outcome.counts
        low, high = self.outcome.rate
        return (
            f"learned from the first {learned} {self.noun} of {self.source}, threshold for "
            f"{self.outcome.threshold.per_day:g} false alarms a day from the next {calibrate}, {self.outcome.alarms} "
            f"false alarms in the last {check} ({_few(low)} to {_few(high)} a day, 95 % interval)"
        )

    @property
    def lines(self) -> list[str]:
        """What a person is told."""
        one, found = self.outcome, self.outcome.threshold
        parts = zip(("learned from", "threshold from", "checked on"), one.counts, strict=True)
        recorded = ", ".join(f"{what} {count} {self.noun} ({spoken(count * one.seconds)})" for what, count in parts)
        left_out = ", ".join(f"{cause} {count}" for cause, count in sorted(self.skipped.items()))
        low, high = one.rate
        return [
            f"{self.source}: {recorded}" + (", ended early" if self.stopped else ""),
            *([f"left out by the source: {left_out}"] if left_out else []),
            f"threshold {found.score:.4g} for {found.per_day:g} false alarms a day (95 % of such recordings: "
            f"{found.lowest:.3g} to {found.highest:.3g})",
            f"{one.alarms} false alarms in the part held out: between {_few(low)} and {_few(high)} a day (95 %)",
        ]

    @property
    def doubts(self) -> list[str]:
        """What a person should know before relying on it."""
        one, wanted = self.outcome, self.outcome.threshold.per_day
        held_out_s = one.counts[2] * one.seconds
        doubts = []
        if not self.timed:
            doubts.append(
                f"it is not known when the {self.noun} were taken: {one.seconds:g} s from one to the next is assumed"
            )
        if one.rate[0] > wanted:
            doubts.append(
                f"the part that was held out has more false alarms than {wanted:g} a day: what is normal had not all "
                "been seen, or slowly becomes something else; record for longer"
            )
        elif one.rate[1] > wanted:
            needed_s = one.rate[1] / wanted * held_out_s if not one.alarms else 3.69 * DAY_S / wanted
            doubts.append(
                f"{spoken(held_out_s)} without a false alarm would be too short to prove {wanted:g} a day: that takes "
                f"{spoken(needed_s)}; the threshold is extrapolated"
            )
        return doubts

    @property
    def facts(self) -> dict[str, object]:
        """The same for a script."""
        one, found = self.outcome, self.outcome.threshold
        return {
            "source": self.source,
            "learned": one.counts[0],
            "calibrated": one.counts[1],
            "checked": one.counts[2],
            "seconds": one.seconds,
            "skipped": dict(self.skipped),
            "stopped": self.stopped,
            "threshold": found.score,
            "threshold_interval": [found.lowest, found.highest],
            "wanted_per_day": found.per_day,
            "false_alarms": one.alarms,
            "false_alarms_per_day": list(one.rate),
            "doubts": self.doubts,
        }


def spoken(seconds: float) -> str:
    """12 s, 3.5 min, 2.0 h, 9.0 days."""
    for unit, length in (("days", DAY_S), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.3g} s"


def _few(rate: float) -> str:
    """Three digits, and no exponent."""
    return f"{rate:.3g}" if rate < 1000 else f"{rate:.0f}"
