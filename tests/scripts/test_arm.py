"""The package on ARM boards that qemu-user stands in for (scripts/test-arm64, scripts/test-armv7), and its wheels."""

import subprocess
from pathlib import Path

import pytest
from arm_run.boards import BOARDS, RELEASES, Board
from arm_run.requirements import pip, pip_for, required, words
from arm_run.suite import TESTS, not_run, rooms

SCRIPTS = Path(__file__).parents[2] / "scripts"
UNAVAILABLE = 69
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
BOOKWORM = RELEASES["bookworm"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("arguments", ["arm64", "arm64 --release trixie --quick", "armv7"])
def test_the_package_runs_on(arguments: str) -> None:
    board, *options = arguments.split()
    done = subprocess.run(
        [SCRIPTS / f"test-{board}", *options], capture_output=True, text=True, timeout=3500, check=False
    )
    if done.returncode == UNAVAILABLE:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    print(done.stdout)


def resolve(machine: str, python: str, glibc: int, target: Path, *extras: str) -> str:
    """What pip says of wheels of all requirements for another machine, which it does not install."""
    wanted = words(required(machine, python, *extras))
    return pip(*pip_for(machine, python, glibc), "--dry-run", "--ignore-installed", "--target", target, *wanted)


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_requirement_has_a_wheel(machine: str, python: str, tmp_path: Path) -> None:
    """As the README says."""
    resolve(machine, python, BOOKWORM.glibc, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_requirement_of_the_coral_extra_has_a_wheel(machine: str, tmp_path: Path) -> None:
    resolve(machine, BOOKWORM.python, BOOKWORM.glibc, tmp_path, "coral")


@pytest.mark.parametrize(
    ("machine", "python", "runtime"),
    [
        ("x86_64", "3.11", "ai-edge-litert"),
        ("aarch64", "3.14", "ai-edge-litert"),
        ("armv7l", "3.11", "tflite-runtime"),
        ("armv7l", "3.13", None),
    ],
)
def test_each_machine_has_its_own_runtime(machine: str, python: str, runtime: str | None) -> None:
    names = {each.name for each in required(machine, python)}
    assert names & {"ai-edge-litert", "tflite-runtime"} == ({runtime} if runtime else set())


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_board_has_a_runtime_on_each_of_its_releases(board: Board) -> None:
    for release in board.releases:
        assert {"ai-edge-litert", "tflite-runtime"} & {
            r.name for r in required(board.machine, RELEASES[release].python)
        }


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_what_a_board_does_not_run_exists(board: Board) -> None:
    for name in (name for names in not_run(board).values() for name in names):
        file, _, test = name.partition("[")[0].partition("::")
        assert (TESTS / file).exists()
        assert not test or f"def {test}(" in (TESTS / file).read_text()
    assert "tests/runtime" in rooms()
