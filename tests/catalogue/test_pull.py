"""A pulled model is a bundle; until it is complete, nothing is."""

import fcntl
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from model_server import ModelServer
from waiting import until

from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.manifest import MANIFEST
from edge_infer.catalogue import table
from edge_infer.catalogue.pull import pull, remove
from edge_infer.errors import ModelError, UnavailableError, UsageError

MODEL = (Path(__file__).resolve().parents[2] / "models/face-detection/model.tflite").read_bytes()
LABELS = b"face\n"
TABLE = """
version: 1
models:
  face:
    task: detect
    about: faces
    license: Apache-2.0
    cpu: {urls: [URL/face.tflite], size: SIZE, sha256: DIGEST}
    edgetpu: {urls: [URL/face_edgetpu.tflite]}
    labels: {urls: [URL/labels.txt]}
    prepare: {resize: letterbox, mean: [127.5], std: [127.5]}
    decode: {kind: blazeface, min_score: 0.25}
  zipped:
    task: detect
    about: faces
    license: Apache-2.0
    cpu: {urls: [URL/face.zip], member: a/face.tflite}
    labels: {urls: [URL/face.zip], member: a/labels.txt}
  plain: {task: detect, about: faces, license: MIT, cpu: {urls: ["URL/face.tflite?generation=1"]}}
"""


def packed_zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def packed_tar(files: dict[str, bytes], link: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)
    return out.getvalue()


MEMBERS = {"a/face.tflite": MODEL, "../../evil": b"x", "a/labels.txt": LABELS}


@pytest.fixture(autouse=True)
def _table(server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small catalogue, all of it on the server."""
    server.files |= {"face.tflite": MODEL, "face_edgetpu.tflite": MODEL, "labels.txt": LABELS}
    server.files["face.zip"] = packed_zip(MEMBERS)
    text = TABLE.replace("URL", server.url).replace("SIZE", str(len(MODEL)))
    path = tmp_path / "models.yaml"
    path.write_text(text.replace("DIGEST", hashlib.sha256(MODEL).hexdigest()))
    monkeypatch.setattr(table, "TABLE", path)
    table.models.cache_clear()
    yield
    table.models.cache_clear()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_is_pulled_is_a_bundle_with_what_the_catalogue_says(place: Path) -> None:
    files = pull("face", place)
    assert [(file.path.name, file.verified) for file in files] == [("face.tflite", True), ("labels.txt", False)]
    assert names(place / "face") == {"face.tflite", "labels.txt", MANIFEST}
    bundle = open_bundle(Path("face"))
    assert (bundle.name, bundle.task, bundle.edgetpu) == ("face", "detect", None)
    assert bundle.prepare.resize == "letterbox"
    assert bundle.decode.min_score == 0.25
    assert bundle.labels == place / "face/labels.txt"
    bundle.id_of(place / "face/face.tflite", hashlib.sha256(MODEL).hexdigest())
    manifest = (place / "face" / MANIFEST).read_text()
    assert "license: Apache-2.0" in manifest
    assert "not verified, nobody has published a digest: labels.txt" in manifest


def test_every_user_can_read_what_is_pulled(place: Path) -> None:
    before = os.umask(0o077)
    try:
        pull("face", place)
    finally:
        os.umask(before)
    for path in (place, *place.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_what_is_there_is_not_fetched_again(place: Path, server: ModelServer) -> None:
    pull("face", place)
    server.asked.clear()
    pull("face", place)
    assert server.asked == []


def test_what_is_damaged_is_fetched_again(place: Path, server: ModelServer) -> None:
    pull("face", place)
    (place / "face/face.tflite").write_bytes(b"damaged")
    server.asked.clear()
    pull("face", place)
    assert [path for path, _ in server.asked] == ["/face.tflite"]
    assert open_bundle(Path("face")).path.read_bytes() == MODEL
    assert len(names(place / "face")) == 3


def test_the_file_for_the_edge_tpu_comes_when_it_is_wanted_and_stays(place: Path, server: ModelServer) -> None:
    pull("face", place)
    server.asked.clear()
    pull("face", place, edgetpu=True)
    assert [path for path, _ in server.asked] == ["/face_edgetpu.tflite"]
    pull("face", place)
    assert open_bundle(Path("face")).edgetpu == place / "face/face_edgetpu.tflite"


def test_a_model_that_nobody_has_compiled_is_told(place: Path) -> None:
    with pytest.raises(UsageError, match="nobody has published plain for the Edge TPU"):
        pull("plain", place, edgetpu=True)


def test_an_unknown_name_gets_the_nearest(place: Path) -> None:
    with pytest.raises(UsageError, match="none is called 'fase': did you mean 'face'"):
        pull("fase", place)


def test_a_new_state_of_a_file_takes_the_place_of_the_old_one_at_once(place: Path, server: ModelServer) -> None:
    pull("plain", place)
    new = MODEL + b"more"
    server.files["face.tflite"] = new
    (place / "plain/face.tflite").write_bytes(new)  # not what the manifest says
    pull("plain", place)
    bundle = open_bundle(Path("plain"))
    assert bundle.path.read_bytes() == new
    assert names(place / "plain") == {bundle.path.name, MANIFEST}
    assert bundle.path.name != "face.tflite"
    server.asked.clear()
    pull("plain", place)
    assert server.asked == []


def test_until_the_last_file_is_there_the_old_bundle_stays(place: Path, server: ModelServer) -> None:
    pull("face", place)
    before = (place / "face" / MANIFEST).read_bytes()
    server.script = ["404"]
    with pytest.raises(UnavailableError):
        pull("face", place, edgetpu=True)
    assert (place / "face" / MANIFEST).read_bytes() == before
    open_bundle(Path("face"))


@pytest.mark.parametrize("content", [b"<html>please log in</html>", MODEL[: len(MODEL) // 2]], ids=["html", "half"])
def test_what_is_no_model_is_removed_though_nobody_knows_its_digest(
    content: bytes, place: Path, server: ModelServer
) -> None:
    server.files["face.tflite"] = content
    with pytest.raises(ModelError):
        pull("plain", place)
    assert list((place / "plain").iterdir()) == []


@pytest.mark.parametrize("pack", [packed_zip, packed_tar])
def test_of_an_archive_only_what_is_wanted_is_unpacked(
    pack: Callable[[dict[str, bytes]], bytes], place: Path, server: ModelServer
) -> None:
    server.files["face.zip"] = pack(MEMBERS)
    pull("zipped", place)
    assert len(server.asked) == 1
    assert names(place / "zipped") == {"face.tflite", "labels.txt", MANIFEST}
    assert open_bundle(Path("zipped")).path.read_bytes() == MODEL
    pull("zipped", place)
    assert len(server.asked) == 1


BAD_ARCHIVES = {
    "another file": packed_zip({"b/face.tflite": MODEL}),
    "a link": packed_tar({"a/labels.txt": LABELS}, link="a/face.tflite"),
    "no archive": b"<html>",
    "half of one": packed_zip(MEMBERS)[:-100],
    "half of a tar": packed_tar(MEMBERS)[:-100_000],
    "a broken zip": packed_zip(MEMBERS).replace(MODEL[:10], b"0123456789").replace(b"PK\1\2", b"PK\1\3"),
}


@pytest.mark.parametrize("content", BAD_ARCHIVES.values(), ids=BAD_ARCHIVES)
def test_an_archive_that_is_not_as_expected_is_told(content: bytes, place: Path, server: ModelServer) -> None:
    server.files["face.zip"] = content
    with pytest.raises(ModelError, match=r"does not give 'a/face\.tflite'"):
        pull("zipped", place)
    assert open_bundle_fails("zipped")
    server.files["face.zip"] = packed_zip(MEMBERS)
    pull("zipped", place)


def open_bundle_fails(name: str) -> bool:
    try:
        open_bundle(Path(name))
    except UnavailableError as error:
        return f"edge-infer models pull {name}" in str(error)
    return False


def test_an_archive_that_unpacks_to_more_than_any_model_has_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_infer.catalogue.pull.MAX_BYTES", 1000)
    with pytest.raises(ModelError, match="more than 1000 bytes"):
        pull("zipped", place)


def test_a_mirror_is_asked_instead_by_the_names_of_the_files(place: Path, server: ModelServer, tmp_path: Path) -> None:
    pull("plain", place, source=f"{server.url}/mirror/")
    assert [path for path, _ in server.asked] == ["/mirror/face.tflite"]


def test_a_folder_can_be_the_source(place: Path, server: ModelServer, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    with pytest.raises(UnavailableError, match=r"cannot copy .*face\.tflite: No such file"):
        pull("face", place, source=str(stick))
    (stick / "face.tflite").write_bytes(MODEL)
    (stick / "labels.txt").write_bytes(LABELS)
    pull("face", place, source=str(stick))
    assert server.asked == []
    (stick / "face.tflite").write_bytes(MODEL[:-1] + b"x")
    with pytest.raises(ModelError, match="another file"):
        pull("face", place / "other", source=str(stick))


@pytest.mark.parametrize("source", ["http://example.com", "file:///x", "nowhere"])
def test_a_source_that_is_not_safe_is_refused(source: str, place: Path) -> None:
    with pytest.raises(UsageError, match="give an https:// address, or a folder"):
        pull("face", place, source=source)


def test_two_at_once_do_not_disturb_each_other(place: Path) -> None:
    (place / "face").mkdir(parents=True)
    handle = os.open(place / "face", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(UnavailableError, match="another command is pulling face"):
            pull("face", place)
    finally:
        os.close(handle)
    pull("face", place)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match=r"cannot write .* choose another folder with --dir"):
        pull("face", tmp_path / "file")


def test_a_manifest_that_leads_elsewhere_deletes_nothing_there(place: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious.tflite"
    precious.write_bytes(MODEL)
    pull("plain", place)
    manifest = place / "plain" / MANIFEST
    manifest.write_text(manifest.read_text().replace("face.tflite", "../../precious.tflite"))
    pull("plain", place)
    assert precious.exists()
    assert open_bundle(Path("plain")).path.read_bytes() == MODEL


def test_what_is_removed_is_gone(place: Path) -> None:
    pull("face", place)
    remove(place / "face")
    assert not (place / "face").exists()
    assert open_bundle_fails("face")


def test_a_pull_that_is_killed_goes_on_where_it_was(place: Path, server: ModelServer) -> None:
    name, file = "movenet-thunder", "movenet_single_pose_thunder_ptq.tflite"  # of the real catalogue, without a digest
    server.files[file] = MODEL
    server.script = ["stall"]
    command = [sys.executable, "-m", "edge_infer", "models"]
    pulling = subprocess.Popen([*command, "pull", name, "--from", server.url], stderr=subprocess.DEVNULL)
    part = place / name / f".{file}.part"
    try:
        until(lambda: part.exists() and part.stat().st_size == len(MODEL) // 2, what="half of the file")
    finally:
        pulling.send_signal(signal.SIGKILL)
        pulling.wait(20)
    where = subprocess.run([*command, "where", name], capture_output=True, text=True, timeout=60, check=False)
    assert where.returncode == 69
    assert where.stderr.count("\n") == 1
    assert f"`edge-infer models pull {name}`" in where.stderr
    subprocess.run([*command, "pull", name, "--from", server.url], check=True, timeout=60, capture_output=True)
    assert server.ranges == [None, f"bytes={len(MODEL) // 2}-"]
    where = subprocess.run([*command, "where", name], capture_output=True, text=True, timeout=60, check=True)
    assert where.stdout == f"{place / name}\n"
    assert names(place / name) == {file, MANIFEST}
    assert open_bundle(place / name).path.read_bytes() == MODEL
