"""A model on disk: a bundle folder with its manifest, or a bare .tflite file."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from edge_infer.bundle.manifest import MANIFEST, Decode, Golden, Manifest, Prepare
from edge_infer.bundle.manifest_file import MAX_FILE_BYTES, paths_in, read_manifest
from edge_infer.catalogue.places import pulled
from edge_infer.errors import ModelError
from edge_infer.types import ModelId

USED_LATER = "decode."  # whoever uses these files asks for them: a gallery may be made later
EDGETPU_SUFFIX = "_edgetpu"  # how edgetpu_compiler names its output


@dataclass(frozen=True, slots=True)
class Bundle:
    """Which files belong together, and what a manifest says about them.

    Attributes:
        cpu, edgetpu: the model files; a bare `*_edgetpu.tflite` has no `cpu`
        task: from the manifest; None for a bare file
        sha256: expected digests by file, from the manifest
    """

    name: str
    version: str
    cpu: Path | None
    edgetpu: Path | None
    sha256: dict[Path, str]
    task: str | None = None
    prepare: Prepare = field(default_factory=Prepare)
    decode: Decode = field(default_factory=Decode)
    labels: Path | None = None
    golden: Golden | None = None
    manifest: Path | None = None

    @property
    def path(self) -> Path:
        """The file that describes the model best: the one for the CPU, if there is one."""
        path = self.cpu or self.edgetpu
        assert path is not None, "a bundle has at least one model file"  # noqa: S101 - open_bundle's own promise
        return path

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it is made of."""
        parts = (self.manifest, self.cpu, self.edgetpu, self.labels, self.golden.file if self.golden else None)
        return tuple(part for part in parts if part)

    def id_of(self, path: Path, sha256: str) -> ModelId:
        """Name, version and digest of one of the files.

        Raises:
            ModelError: the file is not the one that the manifest describes.
        """
        expected = self.sha256.get(path)
        if expected is not None and expected.lower() != sha256:
            raise ModelError(
                f"{path} is not the file that its {MANIFEST} describes (sha256 {sha256[:12]}..., "
                f"expected {expected[:12]}...): copy the bundle again"
            )
        return ModelId(self.name, self.version, sha256)


def open_bundle(path: Path) -> Bundle:
    """The bundle at a folder, its manifest, or a bare .tflite file; or the one of this name that was pulled.

    Raises:
        UnavailableError: nothing is there.
        ModelError: the folder holds no manifest, or names files that it does not hold.
        ConfigError: the manifest is wrong, or leads out of its folder; each problem with its place.
    """
    if not path.exists():
        path = pulled(path)
    if path.is_file() and path.name != MANIFEST:
        return _bare(path)
    manifest = path if path.is_file() else path / MANIFEST
    if not manifest.is_file():
        raise ModelError(f"the folder {path} holds no {MANIFEST}: give a .tflite file or a bundle folder")
    return _described(manifest, read_manifest(manifest))


def _described(path: Path, manifest: Manifest) -> Bundle:
    files = {manifest.model.file: manifest.model.sha256}
    if manifest.model.edgetpu:
        files[manifest.model.edgetpu.file] = manifest.model.edgetpu.sha256
    parts = [part for key, part in paths_in(manifest) if not key.startswith(USED_LATER)]
    missing = [str(part) for part in parts if not os.path.isfile(part)]  # noqa: PTH113 - Path.is_file may raise
    if missing:
        raise ModelError(f"the bundle {manifest.name} names files that are not there: {', '.join(missing)}")
    for part in parts:
        if part not in files and part.stat().st_size > MAX_FILE_BYTES:  # read_model bounds those
            raise ModelError(f"{part} has more than {MAX_FILE_BYTES} bytes: this is no file of a bundle")
    return Bundle(
        name=manifest.name,
        version=manifest.version,
        cpu=manifest.model.file,
        edgetpu=manifest.model.edgetpu.file if manifest.model.edgetpu else None,
        sha256=files,
        task=manifest.task,
        prepare=manifest.preprocess,
        decode=manifest.decode,
        labels=manifest.labels,
        golden=manifest.golden,
        manifest=path,
    )


def _bare(path: Path) -> Bundle:
    """A .tflite file and, beside it, its twin for the Edge TPU, found by name.

    Who names the file for the Edge TPU wants that: there is no twin for the CPU then.
    """
    if path.stem.endswith(EDGETPU_SUFFIX):
        return Bundle(name=path.stem, version="", cpu=None, edgetpu=path, sha256={})
    twin = path.with_name(f"{path.stem}{EDGETPU_SUFFIX}{path.suffix}")
    return Bundle(name=path.stem, version="", cpu=path, edgetpu=twin if twin.is_file() else None, sha256={})
