"""manifest.yaml on the disk: read strictly, and its files stay inside the bundle's folder."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from edge_infer import config
from edge_infer.bundle.manifest import Manifest
from edge_infer.config.tree import compose
from edge_infer.errors import ConfigError, ModelError, Problem, UnavailableError

S = TypeVar("S", bound=msgspec.Struct)

# Bounds for a hostile bundle. The manifest of the shipped model has 700 bytes, with every key explained 8 kB.
MAX_MANIFEST_BYTES = 2**20
# 21 843 labels of ImageNet-21k have 0.5 MB, ten pictures of 640x640 at most 12 MB.
MAX_FILE_BYTES = 64 * 2**20


def read_manifest(path: Path) -> Manifest:
    """What the file says; its paths are those of the files in its folder.

    Raises:
        UnavailableError: it cannot be read.
        ConfigError: it is wrong, or names something outside its folder; every problem with its place.
        ModelError: it is far too large.
    """
    text = _read(path)
    manifest = config.parse(text, Manifest, str(path))
    folder = Path(os.path.realpath(path.parent))
    problems = [
        _problem(text, key, f"{key}: {file} {reason}")
        for key, file in paths_in(manifest)
        if (reason := _outside(file, folder))
    ]
    if problems:
        raise ConfigError(path, problems)
    return _placed(manifest, path.parent)


def paths_in(value: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[str, Path]]:
    """Each path of a struct, with its key (`model.edgetpu.file`)."""
    if isinstance(value, Path):
        yield ".".join(keys), value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from paths_in(getattr(value, name), (*keys, name))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be read ({error.strerror}): check what it is and who may read it"
        ) from error
    if len(content) > MAX_MANIFEST_BYTES:
        raise ModelError(f"{path} has more than {MAX_MANIFEST_BYTES} bytes: this is no manifest of a bundle")
    return content.decode("utf-8", errors="surrogateescape")


def _outside(file: Path, folder: Path) -> str:
    """Why a path is none of a file in the folder; "" if it is one."""
    if file.is_absolute() or ".." in file.parts:
        return "does not lie in the bundle: give the name of a file in its folder"
    try:
        inside = Path(os.path.realpath(folder / file)).is_relative_to(folder)
    except ValueError:  # a NUL, or half of a character
        return "is no name that a file can have"
    return "" if inside else "is a link that leads out of the bundle: put the file itself there"


def _problem(text: str, key: str, message: str) -> Problem:
    """With the place of the key's value."""
    node = compose(text)
    for name in key.split("."):
        assert isinstance(node, yaml.MappingNode)  # noqa: S101 - it was decoded before
        node = next(value for key_node, value in node.value if key_node.value == name)
    assert node is not None  # noqa: S101
    return Problem(node.start_mark.line + 1, node.start_mark.column + 1, key, message)


def _placed(struct: S, folder: Path) -> S:
    """The struct with its paths in the folder."""
    changed: dict[str, Any] = {}
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, Path):
            changed[name] = folder / value
        elif isinstance(value, msgspec.Struct):
            changed[name] = _placed(value, folder)
    return msgspec.structs.replace(struct, **changed)
