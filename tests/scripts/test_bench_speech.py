"""`scripts/bench-speech`: sentences are found where they begin; the table is in docs/audio.md."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("soxr")

from bench_speech import __main__ as bench

from edge_infer.loading import load


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")
@pytest.mark.parametrize("snr_db", [None, 20])
def test_spoken_sentences_are_found_within_one_window_of_their_beginning(
    models: Path, monkeypatch: pytest.MonkeyPatch, snr_db: float | None
) -> None:
    monkeypatch.setattr(bench, "VOICES", ("en-us", "en-gb"))
    monkeypatch.setattr(bench, "SENTENCES", bench.SENTENCES[:2])
    yamnet = models / "yamnet_audio_classifier_with_metadata.tflite"
    with load(yamnet, overlap=0.5, allow=("Speech",), min_score=bench.MIN_SCORE) as model:
        row = bench.measure(model, "pink", snr_db)
    assert (row.sentences, row.found, row.in_time, row.false) == (4, 4, 4, 0)
    assert row.silent > 5


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert bench.wilson(0, 8) == pytest.approx((0.0, 0.3244), abs=1e-3)
    assert bench.wilson(6, 8) == pytest.approx((0.4093, 0.9285), abs=1e-3)
