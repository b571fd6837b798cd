"""A model file becomes a bundle, which is proved to give the same answers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.manifest import MANIFEST, Manifest, ModelFiles, ModelPart, Origin
from edge_infer.bundle.manifest_file import read_manifest
from edge_infer.bundle.model_file import ModelFile, read_model
from edge_infer.bundle.writing import write_bundle
from edge_infer.errors import EdgeInferError, ModelError, UsageError
from edge_infer.golden import golden_problems
from edge_infer.golden.making import FILE, Made, make_golden
from edge_infer.kinds.registry import built_in
from edge_infer.loading import load
from edge_infer.model import Model
from edge_infer.tools.bundle_card import model_card
from edge_infer.tools.bundle_explicit import UNKNOWN, explicit_decode, explicit_prepare, label_lines, license_of
from edge_infer.tools.bundle_frames import Named, golden_frames
from edge_infer.types import Frame

CARD, LICENSE, LABELS = "MODEL_CARD.md", "LICENSE", "labels.txt"
BESIDE = {
    "gallery": "gallery.npz",
    "statistics": "normal.npz",
}  # files that decoding needs, by the key that names them
WHERE = ("device", "threads", "runtime", "delegate")  # of the arguments of `load`: what is none of the bundle's


@dataclass(frozen=True)
class Wanted:
    """What a person wants of a bundle; what is None is found out.

    Attributes:
        shown: in the golden test: pictures, folders and patterns of them, or recordings
        options: arguments of `load`
        replace: a bundle that lies there
    """

    folder: Path
    shown: Sequence[str | Path] = ()
    options: dict[str, Any] = field(default_factory=dict)
    edgetpu: Path | None = None
    task: str | None = None
    name: str | None = None
    version: str | None = None
    license: str | None = None
    replace: bool = False


@dataclass(frozen=True)
class Created:
    """What was written, and what a person should look at."""

    manifest: Manifest
    doubts: list[str]


def create_bundle(path: Path, wanted: Wanted, progress: Callable[[Sequence[Frame]], Iterable[Frame]] = iter) -> Created:
    """Make a bundle of a .tflite file, or of another bundle, and prove that it answers as that does.

    Raises:
        UsageError: something lies there; or the model does not do the task.
        ModelError: the model is damaged, it cannot be known what it does, or a file is not what it should be.
        InputError: an input cannot be read, or none of them proves anything.
        UnavailableError: something is not there, or the disk does not take the bundle.
    """
    source = open_bundle(path)
    files = [read_model(part) for part in (source.cpu, wanted.edgetpu or source.edgetpu) if part]
    _check_files(files)
    options = wanted.options | _kind_for(wanted)
    with load(path, **options) as model:
        _check_task(model, wanted.task)
        named = golden_frames(model, wanted.shown)
        made = make_golden([frame for _, frame in named], model, progress) if named else None
        manifest, contents = _described(
            model, wanted, files, read_manifest(source.manifest) if source.manifest else None
        )
    if made:
        manifest = msgspec.structs.replace(manifest, golden=made.golden)
        contents[FILE] = made.content
    where = {name: options[name] for name in WHERE if name in options}
    write_bundle(
        wanted.folder, manifest, contents, replace=wanted.replace, prove=lambda staged: _prove(staged, path, where)
    )
    return Created(manifest, _doubts(manifest, named, made))


def _check_files(files: Sequence[ModelFile]) -> None:
    """One for the CPU, one for the Edge TPU, or both, of the same model."""
    if len(files) < 2:
        return
    cpu, edgetpu = files
    if cpu.edgetpu or not edgetpu.edgetpu:
        wrong, what = (cpu.path, "is compiled") if cpu.edgetpu else (edgetpu.path, "is not compiled")
        raise ModelError(f"{wrong} {what} for the Edge TPU: give the model for the CPU, and its compiled twin")
    faces = [[(spec.shape, spec.dtype) for spec in file.inputs] for file in files]
    if faces[0] != faces[1] or len(cpu.outputs) != len(edgetpu.outputs):
        raise ModelError(f"{edgetpu.path} was not compiled from {cpu.path}: its inputs or outputs are others")


def _kind_for(wanted: Wanted) -> dict[str, str]:
    """The decoder, where the task leaves no choice."""
    kinds = [kind.name for kind in built_in() if kind.task == wanted.task]
    return {"kind": kinds[0]} if len(kinds) == 1 and "kind" not in wanted.options else {}


def _check_task(model: Model, task: str | None) -> None:
    if task in (None, model.task):
        return
    kinds = ", ".join(kind.name for kind in built_in() if kind.task == task)
    raise UsageError(
        f"{model.id} is taken for a model of the task {model.task}, by {model.recipe.found['task']}, not {task}: say "
        f"which decoder it needs, with --decoder (one of {kinds})"
    )


def _described(
    model: Model, wanted: Wanted, files: Sequence[ModelFile], before: Manifest | None
) -> tuple[Manifest, dict[str, Path | bytes]]:
    """The manifest, and the files that it names."""
    recipe, decode = model.recipe, explicit_decode(model)
    beside = {key: name for key, name in BESIDE.items() if getattr(decode, key)}
    line, text = license_of(wanted.license or (before.license if before else None), recipe)
    parts = [ModelPart(file=Path(_file_name(file)), sha256=file.sha256) for file in files]
    manifest = Manifest(
        schema="edge-infer/bundle@1",
        name=wanted.name or model.id.name,
        version=wanted.version or model.id.version or "1.0.0",
        sequence=_next_sequence(wanted.folder),
        task=model.task,  # type: ignore[arg-type]  # a test sees that kinds have no other
        license=line,
        source=before.source if before else Origin(file=files[0].path.name, sha256=files[0].sha256),
        model=ModelFiles(file=parts[0].file, sha256=parts[0].sha256, edgetpu=parts[1] if len(parts) > 1 else None),
        preprocess=explicit_prepare(model),
        decode=msgspec.structs.replace(decode, **{key: Path(name) for key, name in beside.items()}),
        labels=Path(LABELS) if recipe.labels else None,
    )
    contents: dict[str, Path | bytes] = {_file_name(file): file.path for file in files}
    contents |= {LABELS: label_lines(recipe.labels).encode()} if recipe.labels else {}
    contents |= {name: getattr(decode, key) for key, name in beside.items()}
    contents |= {LICENSE: text.encode()} if text else {}
    if not (wanted.folder / CARD).is_file():  # a person may have filled it in
        contents[CARD] = model_card(manifest, files[0], recipe).encode()
    return manifest, contents


def _next_sequence(folder: Path) -> int:
    """It grows with each release into the same folder."""
    try:
        return read_manifest(folder / MANIFEST).sequence + 1
    except EdgeInferError:
        return 1


def _file_name(file: ModelFile) -> str:
    return "model_edgetpu.tflite" if file.edgetpu else "model.tflite"


def _prove(staged: Path, path: Path, where: dict[str, Any]) -> None:
    """The bundle is loaded as it will be, and answers as the file did."""
    bundle = open_bundle(staged)
    with load(staged, **where) as model:
        if problems := golden_problems(bundle, model):
            raise ModelError(f"a bundle of {path} would not answer as the file does: {'; '.join(problems)}")


def _doubts(manifest: Manifest, named: Sequence[Named], made: Made | None) -> list[str]:
    doubts = []
    if manifest.license == UNKNOWN:
        doubts.append("nobody says under which licence the model may be used: give --license, or edit manifest.yaml")
    if made is None:
        doubts.append(
            "the bundle has no golden test, so nobody can tell whether it works: give pictures or recordings with "
            "--input"
        )
        return doubts
    return doubts + [f"on {named[i][0]} the model is sure of nothing: it proves little" for i in made.weak]
