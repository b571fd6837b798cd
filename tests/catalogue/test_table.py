"""The catalogue itself, as it is shipped."""

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edge_infer.bundle.manifest_file import read_manifest
from edge_infer.catalogue.pull import pull
from edge_infer.catalogue.table import Download, Entry, entry, models

TASKS = {"classify", "detect", "pose", "segment"}


def downloads() -> list[Download]:
    return [one for model in models().values() for one in model.downloads(edgetpu=True).values()]


def test_every_task_of_cameras_is_there() -> None:
    assert len(models()) >= 30
    assert {model.task for model in models().values()} == TASKS


def test_every_address_is_safe_and_names_one_file() -> None:
    contents: dict[str, Download] = {}
    for one in downloads():
        assert all(urlsplit(url).scheme == "https" for url in one.urls)
        assert one.name == Path(one.name).name
        assert one.name.endswith((".tflite", ".txt"))
        same = contents.setdefault(one.file_name, one)  # a mirror holds them all in one folder
        assert (same.urls, same.sha256, same.size) == (one.urls, one.sha256, one.size)


def test_files_for_the_edge_tpu_are_named_so() -> None:
    for name, model in models().items():
        assert "_edgetpu" not in model.cpu.name.removesuffix("_quant.tflite").replace("_edgetpu_", ""), name
        assert model.edgetpu is None or model.edgetpu.name.endswith("_edgetpu.tflite"), name


def test_what_has_a_digest_is_what_was_measured(testdata: Path) -> None:
    measured = {
        path.name: (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for folder in ("models", "labels")
        for path in (testdata / folder).iterdir()
    }
    found = [one for one in downloads() if one.name in measured]
    assert len({one.name for one in found}) >= 8
    for one in found:
        size, sha256 = measured[one.name]
        assert one.sha256 in (None, sha256), one.name
        assert one.size in (None, size), one.name


@pytest.mark.parametrize("name", models())
def test_every_model_becomes_a_bundle(name: str, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its files hold: nothing of them is looked at."""
    model = b"a model"
    monkeypatch.setattr("edge_infer.catalogue.pull.read_model", lambda _path: None)
    monkeypatch.setattr("edge_infer.catalogue.pull.entry", lambda name: anonymous(entry(name)))
    for one in models()[name].downloads(edgetpu=True).values():
        (tmp_path / one.file_name).write_bytes(model)
    monkeypatch.setattr("edge_infer.catalogue.pull.unpack", lambda _a, _m, target, _l: target.write_bytes(model))
    pull(name, place, edgetpu=models()[name].edgetpu is not None, source=str(tmp_path))
    manifest = read_manifest(place / name / "manifest.yaml")
    assert (manifest.name, manifest.task, manifest.license) == (name, models()[name].task, models()[name].license)


def anonymous(model: Entry) -> Entry:
    def blank(one: Download | None) -> Download | None:
        return one and Download(urls=one.urls, member=one.member)

    return Entry(
        task=model.task,
        about=model.about,
        license=model.license,
        cpu=Download(urls=model.cpu.urls, member=model.cpu.member),
        edgetpu=blank(model.edgetpu),
        labels=blank(model.labels),
        prepare=model.prepare,
        decode=model.decode,
    )
