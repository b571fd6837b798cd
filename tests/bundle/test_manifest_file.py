"""manifest.yaml: what it names lies in its folder, and what is wrong is told with its place."""

import hashlib
import shutil
from pathlib import Path

import pytest
from echoes import ECHOES
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.bundle import bundle as bundle_module
from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.manifest_file import MAX_MANIFEST_BYTES, read_manifest
from edge_infer.errors import ConfigError, EdgeInferError, ModelError, UnavailableError
from edge_infer.loading import load

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle in a folder, with things beside it that are none of its own."""
    model = ECHOES["tensors"].write(tmp_path / "outside.tflite")
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "bundle"
    folder.mkdir()
    shutil.copy(model, folder / "model.tflite")
    (folder / "labels.txt").write_text("cat\n")
    (folder / "manifest.yaml").write_text(
        f"""\
schema: edge-infer/bundle@1
name: echo
version: 1.0.0
sequence: 1
task: tensors
license: MIT
model:
  file: model.tflite
  sha256: {hashlib.sha256(model.read_bytes()).hexdigest()}
decode: {{kind: tensors}}
labels: labels.txt
"""
    )
    return folder


def change(folder: Path, old: str, new: str) -> None:
    path = folder / "manifest.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_a_bundle_can_be_moved_and_renamed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    moved = folder.rename(tmp_path / "elsewhere" / "other name")
    monkeypatch.chdir(moved)
    for path in (moved, moved / "manifest.yaml", Path(), Path("manifest.yaml")):
        bundle = open_bundle(path)
        assert bundle.cpu is not None
        assert bundle.cpu.samefile(moved / "model.tflite")
    assert read_manifest(moved / "manifest.yaml").labels == moved / "labels.txt"


@pytest.mark.parametrize(
    ("old", "new", "place", "key"),
    [
        ("file: model.tflite", "file: ../outside.tflite", "8:9", "model.file"),
        ("file: model.tflite", "file: /etc/passwd", "8:9", "model.file"),
        ("file: model.tflite", "file: sub/../model.tflite", "8:9", "model.file"),
        ("decode:", "  edgetpu: {file: ../outside.tflite, sha256: x}\ndecode:", "10:19", "model.edgetpu.file"),
        ("labels: labels.txt", "labels: ../secret.txt", "11:9", "labels"),
        ("labels: labels.txt", "golden: {compare: boxes, file: ../secret.txt}", "11:32", "golden.file"),
        ("{kind: tensors}", "{kind: tensors, gallery: /tmp/gallery.npz}", "10:34", "decode.gallery"),
    ],
)
def test_what_lies_outside_is_refused_with_its_place(folder: Path, old: str, new: str, place: str, key: str) -> None:
    change(folder, old, new)
    with pytest.raises(ConfigError) as caught:
        open_bundle(folder)
    message = f"{folder / 'manifest.yaml'}:{place}: {key}: "
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith("does not lie in the bundle: give the name of a file in its folder")


def test_all_that_is_wrong_is_told_at_once(folder: Path) -> None:
    change(folder, "labels.txt", "../secret.txt")
    change(folder, "model.tflite", "/etc/passwd")
    with pytest.raises(ConfigError) as caught:
        open_bundle(folder)
    assert [problem.key for problem in caught.value.problems] == ["model.file", "labels"]


def test_links_that_lead_out_are_refused(folder: Path) -> None:
    (folder / "labels.txt").unlink()
    (folder / "labels.txt").symlink_to("../secret.txt")
    with pytest.raises(ConfigError, match=r"manifest\.yaml:11:9: labels: labels\.txt is a link that leads out of the"):
        open_bundle(folder)


def test_links_inside_and_to_the_folder_are_followed(folder: Path, tmp_path: Path) -> None:
    (folder / "model.tflite").rename(folder / "model-1.tflite")
    (folder / "model.tflite").symlink_to("model-1.tflite")
    (tmp_path / "current").symlink_to(folder)
    assert open_bundle(tmp_path / "current").name == "echo"


def test_a_gallery_may_be_made_later(folder: Path) -> None:
    change(folder, "{kind: tensors}", "{kind: embed, gallery: faces.npz}")
    assert open_bundle(folder).decode.gallery == folder / "faces.npz"


def test_an_unknown_key_is_told_with_the_nearest(folder: Path) -> None:
    change(folder, "license:", "licence:")
    with pytest.raises(ConfigError) as caught:
        open_bundle(folder)
    assert "manifest.yaml:6:1: unknown key 'licence', did you mean 'license'?" in str(caught.value)


def test_a_file_that_is_missing_is_named(folder: Path) -> None:
    (folder / "labels.txt").unlink()
    with pytest.raises(ModelError, match=r"the bundle echo names files that are not there: .*labels\.txt"):
        open_bundle(folder)


def test_files_that_are_far_too_large_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_module, "MAX_FILE_BYTES", 3)
    with pytest.raises(ModelError, match=r"labels\.txt has more than 3 bytes: this is no file of a bundle"):
        open_bundle(folder)
    (folder / "manifest.yaml").write_bytes(b"#" * (MAX_MANIFEST_BYTES + 1))
    with pytest.raises(ModelError, match=r"manifest\.yaml has more than 1048576 bytes"):
        open_bundle(folder)


def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"manifest\.yaml cannot be read \(No such file or directory\)"):
        read_manifest(tmp_path / "manifest.yaml")


@given(name=st.text(min_size=1, max_size=12))
def test_any_name_is_a_file_inside_or_is_refused(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    text = (REPOSITORY / "models/face-detection/manifest.yaml").read_text()
    (folder / "manifest.yaml").write_text(text.replace("labels: labels.txt", f"labels: {_quoted(name)}"), "utf-8")
    try:
        labels = read_manifest(folder / "manifest.yaml").labels
    except EdgeInferError:
        return
    assert labels is not None
    assert labels.resolve().is_relative_to(folder.resolve())


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'


def test_the_bundle_that_is_shipped_is_in_order() -> None:
    with load(REPOSITORY / "models/face-detection") as model:
        assert str(model.id) == "face-detection@1.0.0"
