"""Bundles of models that hear or feel: made of recordings, held to windows, wrongly used."""

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import RESHAPE, Graph, Op, Tensor, model_bytes

from edge_infer.bundle.bundle import open_bundle
from edge_infer.bundle.manifest import Prepare
from edge_infer.bundle.manifest_file import read_manifest
from edge_infer.cli.main import main
from edge_infer.errors import InputError
from edge_infer.features import LogMel
from edge_infer.golden.comparisons import COMPARISONS
from edge_infer.golden.file import read_golden
from edge_infer.loading import load
from edge_infer.tools.bundle_frames import spread
from edge_infer.tools.bundle_made import Created, Wanted, create_bundle
from edge_infer.tools.bundle_tested import noticed
from edge_infer.types import Array, Frame

NAMES = ("x", "y")
SERIES: dict[str, Any] = {"rate_hz": 10.0, "channels": NAMES, "mean": (1.0, 2.0), "std": (3.0, 4.0), "overlap": 0.5}
SOUND: dict[str, Any] = {"input": "audio", "rate_hz": 8000.0}


def repeater(path: Path, *shape: int) -> Path:
    """A model that says its input."""
    count = int(np.prod(shape))
    tensors = [Tensor("window", shape), Tensor("shape", (2,), "int32", [1, count]), Tensor("same", (1, count))]
    graph = Graph(tensors, ["window"], ["same"], [Op(RESHAPE, ["window", "shape"], ["same"])])
    path.write_bytes(model_bytes(graph))
    return path


@pytest.fixture
def series(tmp_path: Path) -> Path:
    return repeater(tmp_path / "series.tflite", 1, 4, 2)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Readings of 100 seconds, the channels in another order than the model has them."""
    values = np.random.default_rng(0).standard_normal((1000, 2))
    path = tmp_path / "rows.csv"
    table = np.column_stack([np.arange(1000) / 10, values])
    np.savetxt(path, table, "%.4f", ",", header="time,y [m/s^2],x [m/s^2]", comments="")
    return path


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.random.default_rng(0).integers(-9999, 9999, 20000, np.int16).tobytes())
    return path


def created(model: Path, folder: Path, *inputs: Path, **options: Any) -> Created:
    return create_bundle(model, Wanted(folder, inputs, {"device": "cpu", "kind": "tensors", **options}))


def expected(folder: Path) -> list[tuple[Frame, Array]]:
    """The frames of a bundle's golden test, and what is expected of each."""
    golden = open_bundle(folder).golden
    assert golden is not None
    return [
        (one.frame, next(iter(one.prediction))[1].reshape(-1))
        for one in read_golden(golden.file, COMPARISONS["tensors"])
    ]


def test_all_that_was_said_of_readings_is_written_down(series: Path, rows: Path, tmp_path: Path) -> None:
    created(series, tmp_path / "bundle", rows, **SERIES)
    said = read_manifest(tmp_path / "bundle/manifest.yaml").preprocess
    assert (said.input, said.rate_hz, said.channels, said.overlap) == ("series", 10.0, NAMES, 0.5)
    assert (said.mean, said.std, said.color, said.resize) == ((1.0, 2.0), (3.0, 4.0), None, None)
    with load(series, kind="tensors", **SERIES) as bare, load(tmp_path / "bundle") as bundled:
        assert bundled.recipe.prepare == bare.recipe.prepare
        assert bundled.wanted == bare.wanted
    assert "| samples | readings of x, y at 10 Hz |" in (tmp_path / "bundle/MODEL_CARD.md").read_text()


def test_windows_of_a_recording_become_the_golden_test(series: Path, rows: Path, tmp_path: Path) -> None:
    created(series, tmp_path / "bundle", rows, **SERIES)
    shown = expected(tmp_path / "bundle")
    assert 4 < len(shown) <= 8
    recorded = np.loadtxt(rows, delimiter=",", skiprows=1, dtype=np.float32)[:, 1:]
    for frame, answer in shown:
        assert frame.span is not None
        assert (frame.span.channels, frame.span.units, frame.span.rate_hz) == (("y", "x"), ("m/s^2",) * 2, 10.0)
        assert any(np.array_equal(frame.data, recorded[i : i + 4]) for i in range(0, 997, 2))
        assert np.allclose(answer, ((frame.data[:, ::-1] - [1, 2]) / [3, 4]).reshape(-1))


def test_windows_of_sound_become_the_golden_test(sound: Path, tmp_path: Path) -> None:
    model = repeater(tmp_path / "m.tflite", 1, 8000)
    created(model, tmp_path / "bundle", sound, **SOUND)
    said = read_manifest(tmp_path / "bundle/manifest.yaml").preprocess
    assert (said.input, said.rate_hz, said.window, said.channels) == ("audio", 8000.0, None, None)
    shown = expected(tmp_path / "bundle")
    assert [frame.data.shape for frame, _ in shown] == [(8000, 1)] * 3, "the last is filled with silence"
    assert all(np.array_equal(frame.data[:, 0], answer) for frame, answer in shown)


def test_features_are_written_down(sound: Path, tmp_path: Path) -> None:
    model = repeater(tmp_path / "m.tflite", 1, 48, 40)
    features = LogMel(frame=200, step=80, fft=256, bins=40, high_hz=3800.0)
    created(model, tmp_path / "bundle", sound, rate_hz=8000.0, prepare=Prepare(features=features))
    said = read_manifest(tmp_path / "bundle/manifest.yaml").preprocess
    assert (said.features, said.input, said.rate_hz) == (features, "audio", 8000.0)
    assert all(frame.data.shape == (200 + 47 * 80, 1) for frame, _ in expected(tmp_path / "bundle"))
    assert noticed(tmp_path / "bundle", {}) == {"another unit": True}


def test_it_is_told_which_mistakes_with_samples_are_noticed(
    series: Path, rows: Path, sound: Path, tmp_path: Path
) -> None:
    created(series, tmp_path / "series", rows, **SERIES)
    wrong = {"another unit": True, "not normalised": True, "other order of channels": True}
    assert noticed(tmp_path / "series", {}) == wrong
    created(repeater(tmp_path / "m.tflite", 1, 8000), tmp_path / "sound", sound, **SOUND)
    assert noticed(tmp_path / "sound", {}) == {"another unit": True}


def test_a_recording_that_does_not_fit_is_refused(series: Path, rows: Path, sound: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.csv"
    short.write_text("time,x,y\n0,1,2\n0.1,3,4\n")
    with pytest.raises(InputError, match=r"short\.csv is shorter than the 4 samples that the model looks at"):
        created(series, tmp_path / "bundle", short, **SERIES)
    other = tmp_path / "other.csv"
    other.write_text("time,a,b\n" + "".join(f"0.{i},1,2\n" for i in range(9)))
    with pytest.raises(InputError, match=r"there is no channel x, y; .* has a, b"):
        created(series, tmp_path / "bundle", other, **SERIES)
    with pytest.raises(InputError):
        created(series, tmp_path / "bundle", sound, **SERIES)
    assert not (tmp_path / "bundle").exists()


def test_a_bundle_of_samples_is_made_and_tested_by_the_commands(
    series: Path, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, options = str(tmp_path / "bundle"), ["--decoder", "tensors", "--device", "cpu", "--rate-hz", "10"]
    options += ["--channels", "x,y"]
    assert main(["bundle", "create", str(series), "--out", bundle, "--input", str(rows), *options]) == 0
    assert "its golden test notices: another unit, other order of channels" in capsys.readouterr().out
    assert main(["bundle", "test", bundle]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("ok    window 0    4x2 ")
    assert main(["bundle", "test", bundle, "--json"]) == 0
    windows = json.loads(capsys.readouterr().out)["windows"]
    assert windows[0].items() >= {"window": 0, "samples": 4, "channels": 2, "ok": True, "problems": []}.items()


@pytest.mark.parametrize(
    ("count", "kept"), [(0, []), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (5, [0, 2, 4]), (17, [0, 8, 16])]
)
def test_windows_are_spread_over_the_whole_recording(count: int, kept: list[int]) -> None:
    frames = [Frame("s", number, np.zeros((1, 1), np.float32), 0.0, 0) for number in range(count)]
    assert [frame.number for frame in spread(iter(frames), 4)] == kept
