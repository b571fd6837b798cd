"""What a model says about the pictures of its golden test, and what it should say."""

from collections.abc import Iterator
from dataclasses import dataclass

from edge_infer.bundle.bundle import Bundle
from edge_infer.golden.comparison import Limits
from edge_infer.golden.comparisons import COMPARISONS
from edge_infer.golden.file import read_golden
from edge_infer.model import Model
from edge_infer.types import Result, Size


@dataclass(frozen=True, slots=True)
class Verdict:
    """One picture: its number and size, what the model said, and what it should have said otherwise."""

    picture: int
    size: Size
    result: Result
    problems: list[str]


def golden_verdicts(bundle: Bundle, model: Model) -> Iterator[Verdict]:
    """Each picture in turn; none where the bundle brings no golden test.

    Runtimes and processors differ a little, so there are limits for what may differ (docs/bundle.md). The model has to
    be one that is used as the bundle says.

    Raises:
        ModelError: the file is damaged.
    """
    golden = bundle.golden
    if golden is None:
        return
    comparison = COMPARISONS[golden.compare]
    for i, expectation in enumerate(read_golden(golden.file, comparison)):
        model.forget()
        result = model(expectation.frame)
        size = expectation.frame.shape[1], expectation.frame.shape[0]
        found, problems = result.prediction, [f"the model gives no {comparison.noun}"]
        if isinstance(found, comparison.prediction):
            problems = comparison.differences(found, expectation.prediction, Limits(golden, bundle.decode, size))
        yield Verdict(i, size, result, problems)


def golden_problems(bundle: Bundle, model: Model) -> list[str] | None:
    """What differs from the expectations; empty if nothing does, None if the bundle brings none.

    Raises:
        ModelError: the file is damaged.
    """
    if bundle.golden is None:
        return None
    return [
        f"picture {verdict.picture}: {problem}"
        for verdict in golden_verdicts(bundle, model)
        for problem in verdict.problems
    ]
