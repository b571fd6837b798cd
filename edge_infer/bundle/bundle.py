"""A model on disk: a bundle folder with its manifest, or a bare .tflite file."""

from dataclasses import dataclass, field
from pathlib import Path

from edge_infer import config
from edge_infer.bundle.manifest import Decode, Golden, Manifest, Prepare
from edge_infer.errors import ModelError, UnavailableError
from edge_infer.types import ModelId

MANIFEST = "manifest.yaml"
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
    """The bundle at a folder, its manifest, or a bare .tflite file.

    Raises:
        UnavailableError: nothing is there.
        ModelError: the folder holds no manifest, or names files that it does not hold.
        ConfigError: the manifest is wrong; each problem with its place.
    """
    if not path.exists():
        raise UnavailableError(f"there is no model at {path}: give a .tflite file or a bundle folder with a {MANIFEST}")
    if path.is_file() and path.name != MANIFEST:
        return _bare(path)
    manifest = path if path.is_file() else path / MANIFEST
    if not manifest.is_file():
        raise ModelError(f"the folder {path} holds no {MANIFEST}: give a .tflite file or a bundle folder")
    return _described(manifest, config.load(manifest, Manifest))


def _described(path: Path, manifest: Manifest) -> Bundle:
    files = {manifest.model.file: manifest.model.sha256}
    if manifest.model.edgetpu:
        files[manifest.model.edgetpu.file] = manifest.model.edgetpu.sha256
    parts = [*files, manifest.labels, manifest.golden.file if manifest.golden else None]
    missing = [str(part) for part in parts if part is not None and not part.is_file()]
    if missing:
        raise ModelError(f"the bundle {manifest.name} names files that are not there: {', '.join(missing)}")
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
