"""Print two tables: sentences in noise, and wake words."""

import argparse
import json
import math
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench_speech.speaking import RATE, SENTENCES, SPEECH_DBFS, VOICES, noise, say
from edge_infer.loading import load
from edge_infer.model import Model
from edge_infer.sources.source import BaseSource, EndOfStream
from edge_infer.sources.windows import Windows
from edge_infer.types import Array, Frame, Result, Span

SEED = 7
SNRS_DB = (None, 20, 10, 5, 0, -5)  # None: no noise at all
NOISES = ("white", "pink", "babble")
PAUSE_S = (2.0, 4.0)  # between sentences
MIN_SCORE = 0.5  # of "Speech"
WAKE_WORDS = {"alexa": "alexa", "okay_nabu": "okay nabu", "hey_mycroft": "hey mycroft", "hey_jarvis": "hey jarvis"}


class Recording(BaseSource):
    """Samples as a source."""

    def __init__(self, data: Array) -> None:
        super().__init__("bench", live=False)
        self._data: Array | None = data

    def read(self) -> Frame:
        data, self._data = self._data, None
        if data is None:
            raise EndOfStream
        seconds = len(data) / RATE
        return Frame(
            "bench", 0, data[:, None], 0.0, 0, span=Span(0, len(data), float(RATE), ("mono",)), media_s=seconds
        )

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Row:
    """One line of the first table.

    Attributes:
        found: sentences with a window of "Speech" that shows them
        in_time: ... the first of which began within one hop of the sentence
        false: windows of "Speech" that show none, of `silent`
    """

    noise: str
    snr_db: float | None
    sentences: int
    found: int
    in_time: int
    median_late_ms: float
    false: int
    silent: int
    ms: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench-speech")
    parser.add_argument("--model", type=Path, required=True, help="YAMNet with its metadata")
    parser.add_argument(
        "--wake-words", type=Path, help="folder with alexa.tflite, okay_nabu.tflite, ... and their JSON"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with load(args.model, overlap=0.5, allow=("Speech",), min_score=MIN_SCORE) as model:
        rows = [measure(model, kind, snr) for kind in NOISES for snr in SNRS_DB if snr is not None or kind == "white"]
    words = heard(args.wake_words) if args.wake_words else []
    if args.json:
        print(json.dumps({"speech": [asdict(row) for row in rows], "wake_words": words}))
        return 0
    table(["noise", "SNR", "sentences found", "95 % interval", "start within one hop", "median start error",
           "windows without speech, said to be", "ms a window"], [cells(row) for row in rows])  # fmt: skip
    if words:
        print()
        head = ["model", "its own word", "95 % interval", "other phrases"]
        table(head, [[name, *share(found, said), f"{false} of {others}"] for name, found, said, false, others in words])
    return 0


def cells(row: Row) -> list[str]:
    kind, snr = ("none", "-") if row.snr_db is None else (row.noise, f"{row.snr_db:g} dB")
    in_time, false = f"{row.in_time} of {row.found}", f"{row.false} of {row.silent}"
    return [
        kind,
        snr,
        *share(row.found, row.sentences),
        in_time,
        f"{row.median_late_ms:+.0f} ms",
        false,
        f"{row.ms:.1f}",
    ]


def share(found: int, of: int) -> list[str]:
    low, high = wilson(found, of)
    return [f"{found} of {of}", f"{low:.0%} to {high:.0%}"]


def table(head: list[str], rows: list[list[str]]) -> None:
    """In Markdown."""
    for row in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(row)} |")


def measure(model: Model, kind: str, snr_db: float | None) -> Row:
    """All sentences by all voices, one after the other."""
    random = np.random.default_rng(SEED)
    parts, spoken, at = [], [], 0
    for voice in VOICES:
        for text in SENTENCES:
            pause = np.zeros(round(random.uniform(*PAUSE_S) * RATE), np.float32)
            said = say(text, voice)
            start = at + len(pause)
            at = start + len(said)
            spoken.append((start / RATE, at / RATE))
            parts += [pause, said]
    data = np.concatenate([*parts, np.zeros(2 * RATE, np.float32)])
    if snr_db is not None:
        data = data + noise(kind, len(data), SPEECH_DBFS - snr_db, random)
    started = time.perf_counter()
    assert model.wanted is not None
    results = [model.predict(window) for window in Windows(Recording(data), model.wanted)]
    ms = (time.perf_counter() - started) * 1e3 / len(results)
    return counted(kind, snr_db, spoken, results, model.wanted.hop / RATE, ms)


def counted(
    kind: str, snr_db: float | None, spoken: list[tuple[float, float]], results: list[Result], hop_s: float, ms: float
) -> Row:
    late, silent, false = [], 0, 0
    windows = [(r.span.start_s, r.span.start_s + r.span.length_s, bool(len(r))) for r in results if r.span]
    for start, end in spoken:
        first = next((w for w in windows if w[2] and w[1] > start and w[0] < end), None)
        if first:
            late.append(first[1] - hop_s - start)  # what this window was the first to show began then
    for start, end, said in windows:
        if all(end <= a or start >= b for a, b in spoken):
            silent += 1
            false += said
    in_time = sum(abs(one) <= hop_s for one in late)
    median = statistics.median(late) * 1e3 if late else math.nan
    return Row(kind, snr_db, len(spoken), len(late), in_time, median, false, silent, ms)


def heard(folder: Path) -> list[tuple[str, int, int, int, int]]:
    """Of each model how often its word was found, and said; and other phrases that were taken for it, and said."""
    silence = np.zeros(RATE, np.float32)
    rows = []
    for name, word in WAKE_WORDS.items():
        found = said = false = others = 0
        with load(folder / f"{name}.tflite") as model:
            assert model.wanted is not None
            for voice in VOICES:
                for phrase in (*WAKE_WORDS.values(), *SENTENCES):
                    model.forget()
                    data = np.concatenate([silence, say(phrase, voice, 130), silence])
                    yes = any(len(model.predict(window)) for window in Windows(Recording(data), model.wanted))
                    mine = phrase == word
                    said, others = said + mine, others + (not mine)
                    found, false = found + (mine and yes), false + (yes and not mine)
        rows.append((name, found, said, false, others))
    return rows


def wilson(found: int, of: int) -> tuple[float, float]:
    """95 % interval of a share. Source: E. B. Wilson, 1927."""
    z = 1.96
    share, squared = found / of, z * z / of
    middle, half = share + squared / 2, z * math.sqrt(share * (1 - share) / of + squared / of / 4)
    return (middle - half) / (1 + squared), (middle + half) / (1 + squared)


if __name__ == "__main__":
    raise SystemExit(main())
