"""A model of the catalogue becomes a bundle on this machine."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_infer import config
from edge_infer.bundle.digest import digest_of
from edge_infer.bundle.manifest import MANIFEST, Manifest, ModelFiles, ModelPart, Origin
from edge_infer.bundle.manifest_file import read_manifest
from edge_infer.bundle.model_file import read_model
from edge_infer.catalogue import web
from edge_infer.catalogue.archives import unpack
from edge_infer.catalogue.download import MAX_BYTES, Progress, copy, fetch
from edge_infer.catalogue.table import Download, Entry, entry
from edge_infer.errors import EdgeInferError, ModelError, UnavailableError, UsageError


@dataclass(frozen=True, slots=True)
class File:
    """One file of a pulled model; `verified` if the catalogue knew what it should be."""

    path: Path
    sha256: str
    verified: bool


def pull(
    name: str,
    folder: Path,
    *,
    edgetpu: bool = False,
    source: str | None = None,
    progress: Progress = lambda _done, _total: None,
) -> list[File]:
    """Make the bundle `folder/name`, and tell its files. What is there already, and right, is not fetched again.

    Until the last moment the bundle is what it was before: its manifest is replaced when all else is in place.

    Args:
        name: in the catalogue
        folder: of models; made if it is not there
        edgetpu: the file for the Edge TPU, too; one that was pulled before is kept anyway
        source: a folder or an address that holds all files by their names, instead of the catalogue's addresses
        progress: called while a file comes

    Raises:
        UsageError: there is no such model, or no file of it for the Edge TPU.
        UnavailableError: a file cannot be fetched, or the folder cannot be written.
        ModelError: what came is not what it should be.
    """
    model = entry(name)
    if edgetpu and model.edgetpu is None:
        raise UsageError(f"nobody has published {name} for the Edge TPU: leave out --edgetpu")
    place = folder / name
    with _owned(place):
        before = _present(place)
        wanted = model.downloads(edgetpu=edgetpu or (before is not None and before.model.edgetpu is not None))
        known = {path: digest for path, digest in _digests(before).items() if path.is_file()}
        files = {part: _bring(one, place, known, source, progress) for part, one in wanted.items()}
        for part in ("cpu", "edgetpu"):
            if part in files:
                _see_that_it_is_a_model(files[part].path)
        _commit(place, _manifest(name, model, files))
        _tidy(place, [file.path for file in files.values()], wanted, known)
    return list(files.values())


def remove(place: Path) -> None:
    """Delete a bundle that was pulled.

    Raises:
        UnavailableError: it is not ours to delete.
    """
    try:
        (place / MANIFEST).unlink()  # from now on it is none, whatever happens
        shutil.rmtree(place)
    except OSError as error:
        raise UnavailableError(f"cannot remove {place}: {error.strerror}") from error


@contextmanager
def _owned(place: Path) -> Iterator[None]:
    """The folder, made if it is not there, for nobody else who pulls."""
    try:
        for missing in reversed([path for path in (place, *place.parents) if not path.exists()]):
            missing.mkdir(exist_ok=True)
            missing.chmod(0o755)  # services read it, whoever pulls it
        handle = os.open(place, os.O_RDONLY)
    except OSError as error:
        raise UnavailableError(
            f"cannot write {place} ({error.strerror}): choose another folder with --dir, or use sudo"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
        os.fsync(handle)
    except BlockingIOError as error:
        raise UnavailableError(f"another command is pulling {place.name} just now: wait for it") from error
    finally:
        os.close(handle)


def _present(place: Path) -> Manifest | None:
    """What was pulled before; None where that is nothing, or damaged."""
    try:
        return read_manifest(place / MANIFEST)
    except EdgeInferError:
        return None


def _digests(manifest: Manifest | None) -> dict[Path, str]:
    if manifest is None:
        return {}
    twin = manifest.model.edgetpu
    labels = {manifest.labels: digest_of(manifest.labels)} if manifest.labels and manifest.labels.is_file() else {}
    return {manifest.model.file: manifest.model.sha256, **({twin.file: twin.sha256} if twin else {}), **labels}


def _bring(wanted: Download, place: Path, known: dict[Path, str], source: str | None, progress: Progress) -> File:
    """One file of the model, fetched where it is not there."""
    target, verified = place / wanted.name, wanted.sha256 is not None
    if found := _there(wanted, target, known):
        return File(*found, verified)
    fetched = place / f".{wanted.file_name}"
    digest = _fetched(wanted, fetched, source, progress)
    if wanted.member:
        inside = fetched.with_name(f".{wanted.name}")
        try:
            unpack(fetched, wanted.member, inside, MAX_BYTES)
        except ModelError:
            fetched.unlink()  # the next pull gets it anew
            raise
        digest = digest_of(inside)
        inside.chmod(0o644)
        fetched = inside
    if target in known:  # another state of it is in use: that one stays until the manifest is replaced
        target = _beside(target, digest)
    fetched.replace(target)
    return File(target, digest, verified)


def _there(wanted: Download, target: Path, known: dict[Path, str]) -> tuple[Path, str] | None:
    """The file and its digest, if the manifest names it, or only the manifest is missing."""
    digest = None if wanted.member else wanted.sha256
    for path, noted in known.items():
        if path in (target, _beside(target, noted)) and digest in (None, noted) and digest_of(path) == noted:
            return path, noted
    return (target, digest) if digest and target.is_file() and digest_of(target) == digest else None


def _beside(target: Path, digest: str) -> Path:
    """The name for another state of a file that is in use."""
    return target.with_name(f"{target.stem}-{digest[:8]}{target.suffix}")


def _fetched(wanted: Download, target: Path, source: str | None, progress: Progress) -> str:
    if wanted.member and target.is_file() and wanted.sha256 in (None, digest := digest_of(target)):
        return digest  # an archive, which the part before this one has fetched
    if source is None:
        return fetch(wanted, wanted.urls, target, progress)
    if Path(source).is_dir():
        return copy(wanted, Path(source) / wanted.file_name, target)
    web.check_address(source)
    return fetch(wanted, (f"{source.rstrip('/')}/{wanted.file_name}",), target, progress)


def _see_that_it_is_a_model(path: Path) -> None:
    try:
        read_model(path)
    except ModelError:
        path.unlink()
        raise


def _manifest(name: str, model: Entry, files: dict[str, File]) -> Manifest:
    twin, labels = files.get("edgetpu"), files.get("labels")
    doubtful = [file.path.name for file in files.values() if not file.verified]
    return Manifest(
        schema="edge-infer/bundle@1",
        name=name,
        version="1.0.0",
        sequence=1,
        task=model.task,  # type: ignore[arg-type]  # a test sees that the table holds no other
        license=model.license,
        source=Origin(
            url=model.cpu.urls[0],
            file=model.cpu.member,
            sha256=model.cpu.sha256,
            note=f"not verified, nobody has published a digest: {', '.join(doubtful)}" if doubtful else None,
        ),
        model=ModelFiles(
            file=Path(files["cpu"].path.name),
            sha256=files["cpu"].sha256,
            edgetpu=ModelPart(file=Path(twin.path.name), sha256=twin.sha256) if twin else None,
        ),
        preprocess=model.prepare,
        decode=model.decode,
        labels=Path(labels.path.name) if labels else None,
    )


def _commit(place: Path, manifest: Manifest) -> None:
    """Replace the manifest: from now on the bundle is the new one."""
    new = place / f".{MANIFEST}.new"
    try:
        with new.open("w", encoding="utf-8") as file:
            file.write(config.render(manifest))
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        new.replace(place / MANIFEST)
    except OSError as error:
        raise UnavailableError(f"cannot write {place / MANIFEST}: {error.strerror}") from error


def _tidy(place: Path, files: list[Path], wanted: dict[str, Download], known: dict[Path, str]) -> None:
    """Remove archives, and what the old manifest named and the new one does not."""
    archives = [place / f".{one.file_name}" for one in wanted.values() if one.member]
    for path in (*archives, *(set(known) - set(files))):
        path.unlink(missing_ok=True)
