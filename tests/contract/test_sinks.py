from pathlib import Path

import msgspec
import pytest

from edge_infer.deliver.lines import LinesSink
from edge_infer.testing import check_sink
from edge_infer.types import Result
from edge_infer.wire.result_payloads import WireResult
from edge_infer.wire.results import to_wire


def test_a_file_of_lines_is_a_sink(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.jsonl"
    check_sink(
        lambda: LinesSink(path),
        lambda: [msgspec.json.decode(line, type=WireResult) for line in path.read_bytes().splitlines()],
    )


class Listed:
    """A sink with one fault, or none."""

    def __init__(self, fault: str = "") -> None:
        self.results: list[WireResult] = []
        self._taken = 0
        self._fault = fault

    def publish(self, result: Result, pipeline: str | None = None) -> int:
        self._taken += 1
        if self._fault == "loses one" and self._taken == 2:
            return self._taken
        if self._fault == "loses what threads give" and pipeline == "crowd" and self._taken % 2:
            return self._taken
        self.results.append(to_wire(result))
        if self._fault == "turns the order round":
            self.results.reverse()
        return 0 if self._fault == "does not count" else self._taken

    def close(self) -> int:
        return 1 if self._fault == "ends in failure" else 0


@pytest.mark.parametrize(
    "fault", ["loses one", "loses what threads give", "turns the order round", "does not count", "ends in failure"]
)
def test_the_check_finds_a_sink_that(fault: str) -> None:
    sink = Listed(fault)
    with pytest.raises(AssertionError):
        check_sink(lambda: sink, lambda: sink.results)


def test_the_check_finds_nothing_in_a_good_one() -> None:
    sink = Listed()
    check_sink(lambda: sink, lambda: sink.results)
