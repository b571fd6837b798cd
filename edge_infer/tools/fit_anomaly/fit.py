"""From a recording of what is normal to a bundle that says how unusual things are."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.manifest import MANIFEST, Decode, Manifest, ModelFiles, ModelPart, Origin
from edge_infer.bundle.manifest_file import read_manifest
from edge_infer.bundle.writing import write_bundle
from edge_infer.errors import EdgeInferError, ModelError, UsageError
from edge_infer.golden import golden_problems
from edge_infer.golden.making import FILE, make_golden, reduced
from edge_infer.kinds.normal_file import normal_bytes
from edge_infer.loading import load
from edge_infer.tools.fit_anomaly.card import card
from edge_infer.tools.fit_anomaly.embedding import Embedder
from edge_infer.tools.fit_anomaly.graph import picture_scorer, scorer
from edge_infer.tools.fit_anomaly.learning import Outcome, outcome, split
from edge_infer.tools.fit_anomaly.recording import Recording
from edge_infer.tools.fit_anomaly.report import Report
from edge_infer.tools.fit_anomaly.views import Features, View
from edge_infer.tools.noise import noise_frame
from edge_infer.types import Frame

MODEL, EDGETPU, STATISTICS, CARD = "model.tflite", "model_edgetpu.tflite", "normal.npz", "MODEL_CARD.md"
LICENSE = "of whoever made the recording"
NOISE = (160, 120)  # width, height of a picture of noise: as unusual as a large one, and no megabyte
EVERY_S = 1.0  # from one picture to the next, where nobody knows


@dataclass(frozen=True)
class Wish:
    """What a person wants: where the bundle is to lie, and how often what is normal may be called an anomaly."""

    folder: Path
    false_alarms_per_day: float
    name: str | None = None


def check_folder(folder: Path) -> int:
    """The sequence number of a bundle that may be written there.

    Raises:
        UsageError: something else lies there.
    """
    if not folder.exists():
        return 1
    try:
        before = read_manifest(folder / MANIFEST)
    except EdgeInferError as error:
        raise UsageError(f"{folder} is there already, and no bundle ({error}): choose another folder") from error
    if before.task != "anomaly":
        raise UsageError(f"{folder} is a bundle of the task {before.task}: choose another folder")
    return before.sequence + 1


def fit(view: View, recording: Recording, wish: Wish, embedder: Embedder | None = None) -> Report:
    """Learn from a recording and write the bundle; what came of it.

    Raises:
        InputError: it is too short, or nothing can be learned from it.
        UsageError: something else lies in the folder.
        UnavailableError: the disk does not take the bundle.
    """
    sequence = check_folder(wish.folder)
    learned, _, _ = split(len(recording))
    features = view.features(recording.table, learned)
    seconds = recording.seconds or EVERY_S
    one = outcome(features, seconds, wish.false_alarms_per_day, quantised=embedder is None)
    noun = "windows" if view.wanted else "frames"
    report = Report(one, recording.kept[0].source, noun, dict(recording.skipped), recording.timed, recording.stopped)
    files = _files(one, features, embedder)
    manifest = _manifest(wish, sequence, features, one, report, files, embedder)
    files[CARD] = card(manifest, report, len(files[MODEL])).encode()
    _write(wish.folder, manifest, files, _examples(recording, in_pixels=features.prepare.roi is not None))
    return report


def _files(one: Outcome, features: Features, embedder: Embedder | None) -> dict[str, bytes]:
    if embedder:
        digests = tuple(hashlib.sha256(content).hexdigest() for content in embedder.files.values())
        return {**embedder.files, STATISTICS: normal_bytes(one.learned.compact(), digests)}
    write = scorer if features.prepare.features else picture_scorer
    return {MODEL: write(one.learned, one.ranges)}


def _manifest(
    wish: Wish,
    sequence: int,
    features: Features,
    one: Outcome,
    report: Report,
    files: dict[str, bytes],
    embedder: Embedder | None,
) -> Manifest:
    digests = {name: hashlib.sha256(files[name]).hexdigest() for name in (MODEL, EDGETPU) if name in files}
    edgetpu = ModelPart(file=Path(EDGETPU), sha256=digests[EDGETPU]) if EDGETPU in digests else None
    return Manifest(
        schema="edge-infer/bundle@1",
        name=wish.name or wish.folder.resolve().name,
        version=f"1.0.{sequence - 1}",
        sequence=sequence,
        task="anomaly",
        license=(embedder and embedder.license) or LICENSE,
        source=Origin(note=report.summary),
        model=ModelFiles(file=Path(MODEL), sha256=digests[MODEL], edgetpu=edgetpu),
        preprocess=features.prepare,
        decode=Decode(
            kind="anomaly",
            threshold=float(f"{one.threshold.score:.6g}"),
            statistics=Path(STATISTICS) if embedder else None,
        ),
    )


def _examples(recording: Recording, *, in_pixels: bool) -> list[Frame]:
    """Two frames of the recording; `in_pixels`: a region of them is looked at."""
    chosen = [recording.kept[0], recording.kept[-1]]
    return [frame if frame.span or in_pixels else replace(frame, data=reduced(frame.data)) for frame in chosen]


def _write(folder: Path, manifest: Manifest, files: dict[str, bytes], examples: Sequence[Frame]) -> None:
    """With a golden test: what is normal, and noise, which is not."""
    with tempfile.TemporaryDirectory() as somewhere:
        draft = Path(somewhere, "draft")
        write_bundle(draft, manifest, files)
        with load(draft) as model:
            frames = [*examples, noise_frame(model, NOISE)]
            made = make_golden([replace(frame, source="golden", number=i) for i, frame in enumerate(frames)], model)
    whole = msgspec.structs.replace(manifest, golden=made.golden)
    write_bundle(folder, whole, {**files, FILE: made.content}, replace=folder.exists(), prove=_prove)


def _prove(staged: Path) -> None:
    """The bundle is loaded as it will be, and passes its golden test."""
    bundle = open_bundle(staged)
    with load(staged) as model:
        if problems := golden_problems(bundle, model):
            raise ModelError(f"the bundle does not answer as before it was written: {'; '.join(problems)}")
