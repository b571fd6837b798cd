"""models/activity: what ships, without the data that it was trained on."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from build_models import activity_golden, basic_motions, evaluate_activity
from build_models.activity import BUNDLE, answers, windows

from edge_infer.bundle.bundle import open_bundle
from edge_infer.golden import golden_problems
from edge_infer.golden.comparisons import COMPARISONS
from edge_infer.golden.file import read_golden
from edge_infer.loading import load
from edge_infer.tools.bundle_tested import noticed


def test_it_passes_its_golden_test_which_notices_what_is_done_wrong() -> None:
    bundle = open_bundle(BUNDLE)
    with load(BUNDLE, device="cpu") as model:
        assert golden_problems(bundle, model) == []
        assert model.wanted is not None
        assert (model.wanted.samples, model.wanted.hop, model.wanted.rate_hz) == (100, 50, 10.0)
        assert model.wanted.names == basic_motions.CHANNELS
    assert noticed(BUNDLE, {}) == dict.fromkeys(("another unit", "not normalised", "other order of channels"), True)


def test_its_golden_windows_are_made_by_a_generator_and_show_all_classes() -> None:
    golden = open_bundle(BUNDLE).golden
    assert golden is not None
    kept = [one.frame.data for one in read_golden(golden.file, COMPARISONS["classes"])]
    assert np.array_equal(np.stack(kept), activity_golden.movements())
    with load(BUNDLE, device="cpu") as model:
        assert answers(model, np.stack(kept)) == list(basic_motions.LABELS)


def test_its_channels_are_found_by_name_in_any_order() -> None:
    movements = activity_golden.movements()
    with load(BUNDLE, device="cpu") as model:
        turned = list(windows(movements[..., ::-1].copy(), basic_motions.CHANNELS[::-1]))
        assert [next(iter(model.predict(frame))).label for frame in turned] == answers(model, movements)


def test_the_bundle_stays_small_enough_for_the_wheel() -> None:
    assert sum(file.stat().st_size for file in BUNDLE.iterdir()) < 60_000


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(40, 40, 0.912, 1.0), (0, 10, 0.0, 0.278), (5, 10, 0.237, 0.763)],  # Source: statsmodels, proportion_confint
)
def test_the_interval_of_a_share_is_wilsons(hits: int, count: int, low: float, high: float) -> None:
    assert evaluate_activity.wilson(hits, count) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))


def test_what_is_evaluated_is_written_as_anybody_would_record_it(tmp_path: Path) -> None:
    evaluate_activity.write_csv(tmp_path / "replay.csv", activity_golden.movements())
    assert list(evaluate_activity.labels(BUNDLE, [tmp_path / "replay.csv"])) == list(basic_motions.LABELS)


@pytest.mark.slow
def test_it_is_right_on_the_windows_that_it_was_not_trained_on(tmp_path: Path) -> None:
    try:
        data = basic_motions.fetch(tmp_path)
    except subprocess.CalledProcessError:
        pytest.skip(f"needs {basic_motions.PACKAGE} of PyPI, which cannot be downloaded here")
    held_out, places = basic_motions.cases(data, "TEST")
    assert evaluate_activity.right(BUNDLE, [held_out], places) == (40, 40)
