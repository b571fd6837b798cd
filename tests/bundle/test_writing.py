"""A bundle is there as a whole, or not at all."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from echoes import ECHOES
from full_disk import small_disk
from waiting import until

from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.manifest import Manifest, ModelFiles
from edge_infer.bundle.writing import write_bundle
from edge_infer.errors import ModelError, UnavailableError, UsageError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return ECHOES["tensors"].write(tmp_path / "some.tflite")


@pytest.fixture
def manifest(model: Path) -> Manifest:
    return Manifest(
        schema="edge-infer/bundle@1",
        name="echo",
        version="1.0.0",
        sequence=1,
        task="tensors",
        license="MIT",
        model=ModelFiles(file=Path("model.tflite"), sha256=hashlib.sha256(model.read_bytes()).hexdigest()),
    )


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_bytes()[:20].decode("latin-1") for path in folder.iterdir() if path.is_file()}


def others(folder: Path) -> list[str]:
    """What lies beside the bundle, but for the model it came from."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".tflite")


def test_a_bundle_is_written_and_read_again(tmp_path: Path, model: Path, manifest: Manifest) -> None:
    folder = tmp_path / "new" / "bundle"
    write_bundle(folder, manifest, {"model.tflite": model, "LICENSE": b"yours"})
    bundle = open_bundle(folder)
    assert (bundle.name, bundle.cpu) == ("echo", folder / "model.tflite")
    assert (folder / "model.tflite").read_bytes() == model.read_bytes()
    assert sorted(files(folder)) == ["LICENSE", "manifest.yaml", "model.tflite"]
    assert others(folder.parent) == ["bundle"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}, "services may read it"
    assert folder.stat().st_mode & 0o777 == 0o755


def test_what_lies_there_is_not_replaced_by_itself(tmp_path: Path, model: Path, manifest: Manifest) -> None:
    (tmp_path / "bundle").mkdir()
    with pytest.raises(UsageError, match=r"bundle is there already: choose another folder, or .* --force"):
        write_bundle(tmp_path / "bundle", manifest, {"model.tflite": model})
    with pytest.raises(UsageError, match=r"holds no manifest\.yaml: it is no bundle, and is not replaced"):
        write_bundle(tmp_path / "bundle", manifest, {"model.tflite": model}, replace=True)
    assert others(tmp_path) == ["bundle"]


def test_a_bundle_is_replaced_and_what_else_lies_there_stays(tmp_path: Path, model: Path, manifest: Manifest) -> None:
    folder = tmp_path / "bundle"
    write_bundle(folder, msgspec.structs.replace(manifest, labels=Path("labels.txt")), {
        "model.tflite": model, "labels.txt": b"old", "MODEL_CARD.md": b"old"
    })  # fmt: skip
    (folder / "notes.txt").write_text("mine")
    (folder / "more").mkdir()
    (folder / "more/deep.txt").write_text("mine, too")
    write_bundle(folder, manifest, {"model.tflite": model, "MODEL_CARD.md": b"new"}, replace=True)
    assert files(folder)["MODEL_CARD.md"] == "new"
    assert files(folder)["notes.txt"] == "mine"
    assert (folder / "more/deep.txt").read_text() == "mine, too"
    assert "labels.txt" not in files(folder), "the old manifest named it, the new one does not"
    assert others(tmp_path) == ["bundle"]


def test_a_link_to_a_bundle_stays_one(tmp_path: Path, model: Path, manifest: Manifest) -> None:
    write_bundle(tmp_path / "bundle-1", manifest, {"model.tflite": model})
    (tmp_path / "current").symlink_to("bundle-1")
    newer = msgspec.structs.replace(manifest, version="2.0.0")
    write_bundle(tmp_path / "current", newer, {"model.tflite": model}, replace=True)
    assert (tmp_path / "current").is_symlink()
    assert open_bundle(tmp_path / "bundle-1").version == "2.0.0"


def test_a_damaged_bundle_is_replaced(tmp_path: Path, model: Path, manifest: Manifest) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/manifest.yaml").write_text("schema: [")
    write_bundle(tmp_path / "bundle", manifest, {"model.tflite": model}, replace=True)
    assert open_bundle(tmp_path / "bundle").name == "echo"


@pytest.mark.parametrize("how", ["another model", "no model", "damaged", "refused"])
def test_what_would_be_no_bundle_is_not_written(tmp_path: Path, model: Path, manifest: Manifest, how: str) -> None:
    contents: dict[str, Path | bytes] = {"model.tflite": model}
    if how == "another model":
        contents["model.tflite"] = ECHOES["tensors"].write(tmp_path / "other.tflite", add=1.0)
    elif how == "no model":
        contents = {}
    elif how == "damaged":
        contents["model.tflite"] = model.read_bytes()[:100]

    def refuse(staged: Path) -> None:
        assert open_bundle(staged).name == "echo"
        raise ModelError("refused")

    with pytest.raises(ModelError):
        write_bundle(tmp_path / "bundle", manifest, contents, prove=refuse)
    assert others(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, model: Path, manifest: Manifest) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match=r"cannot write the bundle .*/file/bundle \(File exists\)"):
        write_bundle(tmp_path / "file/bundle", manifest, {"model.tflite": model})


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, model: Path, manifest: Manifest) -> None:
    with small_disk(tmp_path, 256) as disk:
        with pytest.raises(UnavailableError, match=r"cannot write the bundle .* \(No space left on device\)"):
            write_bundle(disk.path / "bundle", manifest, {"model.tflite": model, "large": bytes(10**6)})
        assert others(disk.path) == []


WRITER = """
import sys
from pathlib import Path
from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.manifest_file import read_manifest
from edge_infer.bundle.writing import write_bundle
bundle, fifo = map(Path, sys.argv[1:])
manifest = read_manifest(bundle / "manifest.yaml")
write_bundle(bundle, manifest, {"large": fifo}, replace=True)
"""


def test_a_process_that_is_killed_leaves_the_bundle_as_it_was(tmp_path: Path, model: Path, manifest: Manifest) -> None:
    folder = tmp_path / "bundle"
    write_bundle(folder, manifest, {"model.tflite": model})
    before = files(folder)
    os.mkfifo(tmp_path / "slow")  # whoever copies it waits for ever
    writer = subprocess.Popen([sys.executable, "-c", WRITER, folder, tmp_path / "slow"])
    try:
        until(lambda: len(others(tmp_path)) == 3 or writer.poll() is not None, 20.0, "the folder beside it")
        assert writer.poll() is None
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait(10.0)
    assert files(folder) == before
    assert open_bundle(folder).name == "echo"
    write_bundle(folder, manifest, {"model.tflite": model}, replace=True)
