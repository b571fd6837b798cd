"""Damaged, foreign and missing models and pictures at the command line: one line and an exit code each."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from command import REPOSITORY, run

TESTDATA = Path(os.environ.get("EDGE_INFER_TESTDATA", REPOSITORY.parent / "shared/testdata"))
MOBILENET = TESTDATA / "models/mobilenet_v1_0.25_128_quant.tflite"
needs_testdata = pytest.mark.skipif(not MOBILENET.is_file(), reason="no test data: set EDGE_INFER_TESTDATA")


def truncated(path: Path) -> None:
    data = MOBILENET.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def empty(path: Path) -> None:
    path.touch()


def text(path: Path) -> None:
    path.write_text("This is not a model.\n" * 100)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(500_000_000)


def sparse_after_a_model(path: Path) -> None:
    path.write_bytes(MOBILENET.read_bytes()[:4096])
    os.truncate(path, 100_000_000)


def unknown_custom_op(path: Path) -> None:
    flatbuffers = pytest.importorskip("flatbuffers")
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    model = schema.ModelT.InitFromPackedBuf(MOBILENET.read_bytes(), 0)
    code = model.operatorCodes[-1]
    code.builtinCode, code.deprecatedBuiltinCode, code.customCode = schema.BuiltinOperator.CUSTOM, 32, b"NoSuchOp"
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def for_the_edge_tpu(path: Path) -> None:
    path.write_bytes((TESTDATA / "models/mobilenet_v1_0.25_128_quant_edgetpu.tflite").read_bytes())


def folder_without_manifest(path: Path) -> None:
    path.mkdir()


def assert_one_line(stderr: str, *said: str) -> None:
    assert len(stderr.splitlines()) == 1, stderr
    assert stderr.startswith("edge-infer: ")
    for words in said:
        assert words in stderr


DAMAGED = [
    (truncated, "damaged"),
    (empty, "empty"),
    (text, "not a TFLite model"),
    (sparse, "give a smaller model"),
    (sparse_after_a_model, "damaged"),
    (folder_without_manifest, "manifest.yaml"),
]


@needs_testdata
@pytest.mark.parametrize(("make", "said"), [*DAMAGED, (unknown_custom_op, "NoSuchOp"), (for_the_edge_tpu, "Edge TPU")])
def test_a_model_that_cannot_be_used_is_65(
    tmp_path: Path, picture: Path, make: Callable[[Path], None], said: str
) -> None:
    path = tmp_path / "bad.tflite"
    make(path)
    done = run("infer", "--model", path, "--device", "cpu", picture)
    assert (done.returncode, done.stdout) == (65, "")
    assert_one_line(done.stderr, str(path), said)


@needs_testdata
@pytest.mark.parametrize(("make", "said"), DAMAGED)
def test_a_model_that_cannot_be_read_cannot_be_inspected(
    tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    path = tmp_path / "bad.tflite"
    make(path)
    done = run("inspect", path)
    assert (done.returncode, done.stdout) == (65, "")
    assert_one_line(done.stderr, str(path), said)


@needs_testdata
def test_labels_that_are_too_few_are_65(tmp_path: Path, picture: Path) -> None:
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    done = run("infer", "--model", MOBILENET, "--device", "cpu", "--labels", tmp_path / "labels.txt", picture)
    assert done.returncode == 65
    assert_one_line(done.stderr, "2 labels for the 1001 classes")


def test_a_model_that_is_missing_is_69(tmp_path: Path, picture: Path) -> None:
    done = run("infer", "--model", tmp_path / "none.tflite", picture)
    assert done.returncode == 69
    assert_one_line(done.stderr, "there is no model at")


@pytest.mark.parametrize("missing", ["none.png", "none/", "none/*.png"])
def test_a_picture_that_is_missing_is_69(tmp_path: Path, model: Path, missing: str) -> None:
    done = run("infer", "--model", model, "--device", "cpu", str(tmp_path / missing))
    assert done.returncode == 69
    assert_one_line(done.stderr, "none")


def test_a_bad_picture_among_good_ones_is_65_and_the_others_are_answered(
    tmp_path: Path, model: Path, picture: Path
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("1.png", "3.png"):
        (pictures / name).write_bytes(picture.read_bytes())
    (pictures / "2.png").write_bytes(picture.read_bytes()[:50])
    done = run("infer", "--model", model, "--device", "cpu", "--json", pictures)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(Path(answer["input"]).name, answer["status"]) for answer in answers] == [
        ("1.png", "ok"),
        ("2.png", "error"),
        ("3.png", "ok"),
    ]
    assert done.returncode == 65
    assert_one_line(done.stderr, "2.png")


@needs_testdata
@pytest.mark.parametrize(("make", "said"), [(truncated, "damaged"), (for_the_edge_tpu, "Edge TPU")])
def test_a_daemon_with_a_bad_model_ends_with_65(
    tmp_path: Path, configure: Callable[..., Path], make: Callable[[Path], None], said: str, model: Path
) -> None:
    make(tmp_path / "bad.tflite")
    config = configure()
    config.write_text(config.read_text().replace(str(model), str(tmp_path / "bad.tflite")))
    done = run("run", "--config", config, cwd=tmp_path)
    assert done.returncode == 65
    assert_one_line(done.stderr.splitlines()[-1], said)
    assert "Traceback" not in done.stderr
