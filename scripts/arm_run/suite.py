"""The package's tests, run on the board."""

import os
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree as ET

from arm_run.boards import REPOSITORY, Board
from arm_run.emulation import Emulation

TESTS = REPOSITORY / "tests"
TESTDATA = Path(os.environ.get("EDGE_INFER_TESTDATA", REPOSITORY.parent / "shared" / "testdata"))
WORK, DATA = "/srv/work", "/srv/testdata"
EACH_S = 600  # emulated, a test takes ten times as long
NOT_RUN = {
    "about the repository, not the machine": ("chaos_run", "scripts", "test_docs.py", "test_layers.py"),
    "the cloud's side, never on a board": ("collector",),
    "starts programs of this machine: mosquitto, PostgreSQL, browsers, virtual machines": (
        "system",
        "test_subscribers_acl.py",
        "test_subscribers_node_red.py",
        "test_subscribers_page.py",
        "test_subscribers_tools.py",
    ),
    "about this machine's kernel, disks, groups and systemd": ("camera_vm", "crash", "doctor", "systemd"),
    "an emulator is too slow for it": (
        "test_accelerator_faults.py::test_after_500_faults_in_a_row_nothing_is_left_and_no_answer_went_astray",
        "test_accelerator_faults.py::test_a_start_that_hangs_is_given_up_and_tried_again_in_the_background",
        "test_cascading.py::test_several_workers_each_have_a_second_model_of_their_own",
        "test_replaying_fusions.py",
    ),
    "it writes a line of its own where a process dies": (
        "test_accelerator_faults.py::test_how_a_process_died_and_what_it_said_is_told",
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What pytest said."""

    exit_code: int
    passed: int
    failed: int
    skipped: Counter[str]

    def __str__(self) -> str:
        reasons = "".join(f"\n  {count} skipped: {reason}" for reason, count in self.skipped.most_common())
        return f"{self.passed} passed, {self.failed} failed{reasons}"


def not_run(board: Board) -> dict[str, tuple[str, ...]]:
    """Rooms, files and single tests that are left out, by the reason."""
    return NOT_RUN | dict(board.not_run)


def rooms() -> list[str]:
    """What has tests that are run."""
    left_out = {name for names in NOT_RUN.values() for name in names}
    found = [path for path in TESTS.iterdir() if path.is_dir() or path.name.startswith("test_")]
    return sorted(
        f"tests/{path.name}"
        for path in found
        if path.name not in left_out and (path.is_file() or any(path.glob("test_*.py")))
    )


def run_suite(emulation: Emulation, chosen: list[str]) -> Outcome:
    """Run these tests there; pytest's output goes to stdout."""
    with tempfile.TemporaryDirectory(prefix="edge-infer-arm-") as name:
        folders = {WORK: Path(name)} | ({DATA: TESTDATA} if TESTDATA.is_dir() else {})
        there = replace(emulation, folders=folders)
        options = ["-r", "fE", "-m", "not slow", "-p", "no:cacheprovider", f"--timeout={EACH_S}"]
        left_out = [name for names in not_run(emulation.board).values() for name in names]
        options += [f"--deselect=tests/{name}" for name in left_out]
        command = ["python3", "-m", "pytest", *options, f"--junit-xml={WORK}/junit.xml", *chosen]
        # on a disk, as tests of what is written to one need it
        environment = {
            "TMPDIR": WORK,
            "EDGE_INFER_TESTDATA": DATA,
            "HYPOTHESIS_STORAGE_DIRECTORY": f"{WORK}/hypothesis",
        }
        code = subprocess.run(there.command(*command, **environment), check=False).returncode
        report = Path(name) / "junit.xml"
        return _outcome(code, report) if report.exists() else Outcome(code, 0, 0, Counter())


def _outcome(code: int, report: Path) -> Outcome:
    cases = list(ET.parse(report).iter("testcase"))
    skipped = Counter(skip.get("message", "") for case in cases for skip in case.findall("skipped"))
    failed = sum(1 for case in cases if case.find("failure") is not None or case.find("error") is not None)
    return Outcome(code, len(cases) - failed - skipped.total(), failed, skipped)
