"""What a model says about the frames of its golden test, and what it should say."""

from collections.abc import Iterator
from dataclasses import dataclass

from edge_infer.bundle.bundle import Bundle
from edge_infer.golden.comparison import Limits
from edge_infer.golden.comparisons import COMPARISONS
from edge_infer.golden.file import read_golden
from edge_infer.model import Model
from edge_infer.types import Frame, Result


@dataclass(frozen=True, slots=True)
class Verdict:
    """One picture or window of samples, what the model said, and what it should have said otherwise."""

    frame: Frame
    result: Result
    problems: list[str]

    @property
    def noun(self) -> str:
        """What it is called."""
        return "window" if self.frame.span else "picture"


def golden_verdicts(bundle: Bundle, model: Model) -> Iterator[Verdict]:
    """Each frame in turn; none where the bundle brings no golden test.

    Runtimes and processors differ a little, so there are limits for what may differ (docs/bundle.md). The model has to
    be one that is used as the bundle says.

    Raises:
        ModelError: the file is damaged.
    """
    golden = bundle.golden
    if golden is None:
        return
    comparison = COMPARISONS[golden.compare]
    for expectation in read_golden(golden.file, comparison):
        model.forget()
        result, size = model.predict(expectation.frame), expectation.frame.size
        found, problems = result.prediction, [f"the model gives no {comparison.noun}"]
        if isinstance(found, comparison.prediction):
            problems = comparison.differences(found, expectation.prediction, Limits(golden, bundle.decode, size))
        yield Verdict(expectation.frame, result, problems)


def golden_problems(bundle: Bundle, model: Model) -> list[str] | None:
    """What differs from the expectations; empty if nothing does, None if the bundle brings none.

    Raises:
        ModelError: the file is damaged.
    """
    if bundle.golden is None:
        return None
    return [
        f"{verdict.noun} {verdict.frame.number}: {problem}"
        for verdict in golden_verdicts(bundle, model)
        for problem in verdict.problems
    ]
