"""`scripts/bench-decode`: a row for each case; the figures are in docs/performance.md."""

import json
import sys

import pytest
from bench_decode import __main__ as bench


def test_each_case_has_its_times_and_its_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench-decode", "--json", "--rounds", "1"])
    assert bench.main() == 0
    rows = json.loads(capsys.readouterr().out)["decode"]
    assert len({row["case"] for row in rows}) == len(rows) > 30
    assert all(row["warm_us"] > 0 and row["cold_us"] > 0 and row["allocated_kb"] >= 0 for row in rows)
