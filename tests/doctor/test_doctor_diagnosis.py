"""All checks together: none keeps another from being made, none hangs the doctor, none crashes it."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from machines import PI_4, usb_coral, write

from edge_infer.cli.doctor import lines, summary
from edge_infer.errors import StalledError
from edge_infer.tools.doctor.diagnosis import Look, diagnose
from edge_infer.tools.doctor.finding import Finding, fail, ok, skip, warn

BROKEN = """version: 1
device: {id: "no id"}
pipelines:
  door: {source: {kind: camera, uri: /dev/video0, fsp: 10}, model: {path: m.tflite}}
"""


def looked(look: Look) -> list[Finding]:
    look.start()
    return look.findings()


def test_what_was_found_before_a_check_hangs_counts() -> None:
    over = threading.Event()

    def hangs() -> Iterator[Finding]:
        yield ok("disk", "one")
        over.wait(60.0)

    first, hung = looked(Look("disk", hangs, 0.2))
    over.set()
    assert first == ok("disk", "one")
    assert (hung.level, hung.detail) == ("warn", "no answer within 0 s")


@pytest.mark.parametrize(
    ("error", "level", "code", "says"),
    [
        (ModuleNotFoundError("No module named 'paho'"), "fail", 69, "a package is missing or damaged: No module"),
        (StalledError("it hangs"), "fail", 75, "it hangs"),
        (ZeroDivisionError("oh"), "warn", 0, "cannot be looked at: ZeroDivisionError: oh"),
    ],
)
def test_a_check_that_fails_is_a_finding(error: Exception, level: str, code: int, says: str) -> None:
    def fails() -> Iterator[Finding]:
        yield ok("disk", "one")
        raise error

    _, finding = looked(Look("disk", fails))
    assert (finding.level, finding.exit_code) == (level, code)
    assert says in finding.detail
    assert finding.fix


def test_every_mistake_of_a_configuration_is_told_and_the_machine_looked_at(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(BROKEN)
    findings = list(diagnose(tmp_path / "config.yaml", write(tmp_path / "root", PI_4, usb_coral(480))))
    mistakes = [finding for finding in findings if finding.what == "configuration"]
    assert [finding.exit_code for finding in mistakes] == [78, 78]
    assert mistakes[0].detail.startswith(f"{tmp_path}/config.yaml:2:14: ")
    assert "unknown key 'fsp', did you mean 'fps'?" in mistakes[1].detail
    found = {finding.what: finding.level for finding in findings}
    assert (found["machine"], found["runtime"], found["edge tpu 0"]) == ("ok", "ok", "warn")
    assert "broker" not in found


def test_a_configuration_that_is_not_there_is_told_and_none_at_all_is_none_of_our_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = next(diagnose(tmp_path / "nowhere.yaml", tmp_path))
    assert (named.level, named.exit_code) == ("fail", 69)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edge_infer.settings.CONFIG_PATHS", (Path("edge-infer.yaml"),))
    assert next(diagnose(None, tmp_path)).level == "skip"


def test_a_person_reads_what_it_is_and_what_to_do() -> None:
    finding = warn(
        "edge tpu 0",
        "USB 2, port 2-1: an inference takes about three times as long as on USB 3",
        "plug it into a blue port, with the cable it came with, and not through a USB 2 hub",
        "a command that is longer than the line of this terminal, since it is to be copied whole",
    )
    assert list(lines(finding, 60, verbose=False)) == [
        "warn edge tpu 0      USB 2, port 2-1: an inference takes",
        "                     about three times as long as on USB 3",
        "     fix: plug it into a blue port, with the cable it came",
        "          with, and not through a USB 2 hub",
        "     $ a command that is longer than the line of this terminal, since it is to be copied whole",
    ]


def test_what_is_well_takes_one_line_unless_all_is_asked_for() -> None:
    finding = ok("machine", "a very long description of a machine that has a long name")
    (line,) = lines(finding, 50, verbose=False)
    assert line == "ok   machine         a very long description of..."
    assert len(list(lines(finding, 50, verbose=True))) == 2
    assert list(lines(ok("machine", "short"), 80, verbose=False)) == ["ok   machine         short"]


def test_the_last_line_sums_up() -> None:
    found = [ok("a", "b"), warn("a", "b", "c"), skip("a", "b"), skip("a", "b")]
    assert summary(Counter(f.level for f in found)) == "healthy: 1 in order, 1 to look at, 2 not looked at"
    found += [fail("a", "b", "c")]
    assert summary(Counter(f.level for f in found)).startswith("not healthy: 1 in order, 1 failed, ")
