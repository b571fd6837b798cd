"""A bundle is written: all of it, or nothing."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from edge_infer import config
from edge_infer.bundle.bundle import Bundle, open_bundle
from edge_infer.bundle.manifest import MANIFEST, Manifest
from edge_infer.bundle.model_file import read_model
from edge_infer.errors import EdgeInferError, UnavailableError, UsageError


def write_bundle(
    folder: Path,
    manifest: Manifest,
    files: Mapping[str, Path | bytes],
    *,
    replace: bool = False,
    prove: Callable[[Path], None] = lambda _staged: None,
) -> None:
    """Write the folder beside its place, see that it is a bundle, and only then move it there.

    Args:
        folder: where it is to lie; the folders above are made
        manifest: its paths are names among `files`
        files: what each file is copied from, or holds
        replace: a bundle that lies there is replaced; of it stay the files that its manifest does not name
        prove: is given the folder before it is moved; what it raises, ends it

    Raises:
        UsageError: something lies there, and must not be replaced.
        UnavailableError: the disk does not take it.
        ModelError: a model file is not the one of the manifest, or damaged.
        ConfigError: the manifest would not be read again.
    """
    folder = Path(os.path.realpath(folder))
    kept = _kept(folder, files, replace=replace)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _fill(staged, {**kept, **files, MANIFEST: config.render(manifest).encode()})
            _see_that_it_is_whole(open_bundle(staged))
            prove(staged)
            _move(staged, folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    except OSError as error:
        raise UnavailableError(
            f"cannot write the bundle {folder} ({error.strerror}): check the disk and the permissions"
        ) from error


def _kept(folder: Path, files: Mapping[str, Path | bytes], *, replace: bool) -> dict[str, Path]:
    """What lies there and is to stay."""
    if not os.path.lexists(folder):
        return {}
    if not replace:
        raise UsageError(f"{folder} is there already: choose another folder, or replace the bundle with --force")
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder} holds no {MANIFEST}: it is no bundle, and is not replaced")
    try:
        named = {path.name for path in open_bundle(folder).files}
    except EdgeInferError:  # a damaged bundle is replaced, too
        named = {MANIFEST}
    others = [path for path in folder.iterdir() if path.name not in named and path.name not in files]
    return {path.name: path for path in others if path.is_file() or path.is_dir()}


def _fill(staged: Path, files: Mapping[str, Path | bytes]) -> None:
    staged.chmod(0o755)  # services read it, whoever makes it
    for name, content in files.items():
        target = staged / name
        if isinstance(content, Path) and content.is_dir():
            shutil.copytree(content, target, symlinks=True)
            continue
        with target.open("wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                with content.open("rb") as source:
                    shutil.copyfileobj(source, file)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
    _sync(staged)


def _see_that_it_is_whole(bundle: Bundle) -> None:
    for path in filter(None, (bundle.cpu, bundle.edgetpu)):
        bundle.id_of(path, read_model(path).sha256)


def _move(staged: Path, folder: Path) -> None:
    old = staged.with_name(f"{staged.name}.old")
    if folder.exists():
        folder.rename(old)
    try:
        staged.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    _sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
