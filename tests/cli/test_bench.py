"""`edge-infer bench`: what it prints and writes; how fast is not asserted here."""

import json
from pathlib import Path

import msgspec
import pytest

from edge_infer.cli.main import main
from edge_infer.tools.bench.record import read_report
from edge_infer.tools.local_broker import find_mosquitto

MODELS = Path(__file__).resolve().parents[2] / "models"
BUNDLE, ACTIVITY = str(MODELS / "face-detection"), str(MODELS / "activity")
FIGURES = {"bare_fps", "bare_cpu_ms", "pipeline_fps", "cpu_ms", "p50_ms", "p95_ms", "loop_fps", "loop_cpu_ms"}
pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="needs mosquitto: apt install mosquitto")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with the rounds that a comparison needs."""
    path = tmp_path_factory.mktemp("bench") / "a.json"
    arguments = ["--json", str(path), "--scenario", "offline", "--seconds", "0.05", "--rounds", "5"]
    assert main(["bench", *arguments, BUNDLE]) == 0
    return path


def slower(path: Path, times: float) -> Path:
    """The same report of a machine that is slower."""
    report = json.loads(path.read_bytes())
    figure = report["models"][0]["outcomes"][0]["figures"]["fps"]
    figure["rounds"] = [rate / times for rate in figure["rounds"]]
    other = path.with_name(f"slower{times:g}.json")
    other.write_text(json.dumps(report))
    return other


def test_bench_ends_with_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--json", "--seconds", "0.1", "--rounds", "1", BUNDLE, ACTIVITY]) == 0
    face, windows = json.loads(capsys.readouterr().out.splitlines()[-1])["models"]
    assert (face["model"], windows["model"]) == ("face-detection", "activity")
    for speed in (face, windows):
        assert set(speed) == {"model", "facts", "outcomes"} | FIGURES
        assert all(speed[figure] > 0 for figure in FIGURES)
    assert windows["p95_ms"] < 5000, "5 s of readings are between two windows, and are no latency"


def test_bench_for_people_is_a_table_and_a_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    html, written = tmp_path / "report.html", tmp_path / "report.json"
    arguments = ["--seconds", "0.1", "--rounds", "1", "--workers", "2", "--report", str(html), "--json", str(written)]
    assert main(["bench", BUNDLE, *arguments]) == 0
    said = capsys.readouterr().out
    assert "face-detection" in said
    assert "2 interpreters on 2 threads" in said
    assert "each result that the pipeline gave was acknowledged by the broker" in said
    assert html.read_text().startswith("<!doctype html>")
    assert read_report(written.read_bytes(), "it").settings.workers == 2


def test_two_reports_are_compared(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "compare", str(written), str(written)]) == 0
    assert "within noise" in capsys.readouterr().out
    assert main(["bench", "compare", str(written), str(slower(written, 100)), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    rate = next(one for one in said["figures"] if one["figure"] == "fps")
    assert (rate["scenario"], rate["verdict"]) == ("offline", "worse")
    assert rate["low"] <= rate["ratio"] <= rate["high"] < 1
    assert said["not_the_same"] == []


def test_a_script_is_told_when_it_got_worse(written: Path) -> None:
    other = str(slower(written, 100))
    assert main(["bench", "compare", str(written), other, "--fail-above", "5"]) == 1
    assert main(["bench", "compare", other, str(written), "--fail-above", "5"]) == 0
    assert main(["bench", "compare", str(written), str(slower(written, 100)), "--fail-above", "1e6"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 64, "give at least one MODEL"),
        (["--scenario", "fast", BUNDLE], 64, "there is no scenario fast"),
        (["--fail-above", "5", BUNDLE], 64, "--fail-above belongs to"),
        (["compare", "a.json"], 64, "compare takes two reports"),
        (["compare", "a.json", "b.json"], 69, "cannot read a.json"),
        (["compare", BUNDLE + "/manifest.yaml", BUNDLE + "/manifest.yaml"], 65, "holds no report"),
        (["--report", "nowhere/x.html", BUNDLE], 69, "there is no folder"),
        (["none.tflite"], 69, "none.tflite"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["bench", *arguments]) == code
    assert said in capsys.readouterr().err


def test_a_report_comes_back_as_it_was_written(written: Path) -> None:
    report = read_report(written.read_bytes(), "it")
    assert read_report(msgspec.json.encode(report), "it") == report
