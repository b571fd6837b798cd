"""Python, packages and runtime: what does not fit, and what crashes on being imported."""

import subprocess
import sys
from pathlib import Path

import pytest
from machines import ELF_32, PC, PI_4, one, write
from waiting import until

from edge_infer.tools.doctor import child
from edge_infer.tools.doctor.child import Answer, ask
from edge_infer.tools.doctor.machine import read_machine
from edge_infer.tools.doctor.python import check_packages, check_python, judged_python
from edge_infer.tools.doctor.runtime import check_runtime, judged

LITERT = {"library": "ai_edge_litert", "version": "2.3.0", "ms": 3.1, "importing": None}
MODERN = {"numpy": "2.4.6", "opencv-python-headless": "5.0.0.93", "ai-edge-litert": "2.3.0"}
CORAL = {"numpy": "1.26.4", "opencv_python_headless": "4.11.0.86", "tflite_runtime": "2.14.0"}


def install(folder: Path, packages: dict[str, str]) -> list[str]:
    """What pip leaves behind of packages."""
    for name, version in packages.items():
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return [str(folder)]


def test_this_python_is_in_order() -> None:
    assert one(check_python()).level == "ok"
    assert one(check_packages()).level == "ok"


@pytest.mark.parametrize("packages", [MODERN, CORAL, {}], ids=["LiteRT", "Coral", "from Debian"])
def test_packages_that_fit_are_in_order(tmp_path: Path, packages: dict[str, str]) -> None:
    assert one(check_packages(install(tmp_path, packages))).level == "ok"


MISFITS = {
    "runtime and NumPy": (CORAL | {"numpy": "2.4.6"}, "fail", "tflite-runtime 2.14.0 fails with NumPy 2", "numpy>=1"),
    "spare runtime": (MODERN | {"tflite_runtime": "2.14.0"}, "warn", "fails with NumPy 2", "uninstall -y tflite"),
    "OpenCV and NumPy": (CORAL | {"opencv_python_headless": "4.12.0.88"}, "warn", "demands NumPy 2", "<4.12"),
    "two OpenCVs": (
        MODERN | {"opencv-python": "4.11.0.86"},
        "warn",
        "opencv-python-headless and opencv-python are installed",
        "uninstall -y opencv-python-headless opencv-python &&",
    ),
}


@pytest.mark.parametrize(("packages", "level", "says", "command"), MISFITS.values(), ids=MISFITS)
def test_packages_that_do_not_fit_are_told(
    tmp_path: Path, packages: dict[str, str], level: str, says: str, command: str
) -> None:
    finding = one(check_packages(install(tmp_path, packages)))
    assert finding.level == level
    assert says in finding.detail
    assert command in finding.command


def test_a_system_without_wheels_is_told(tmp_path: Path) -> None:
    musl = one(check_python(write(tmp_path, PC, {"lib/ld-musl-x86_64.so.1": ""})))
    assert (musl.level, musl.exit_code) == ("fail", 69)
    assert "no wheels for musl" in musl.detail


def test_32_bits_and_a_new_python_are_told(tmp_path: Path) -> None:
    machine = read_machine(write(tmp_path, PI_4, {"proc/self/exe": ELF_32}))
    assert judged_python(machine, (3, 11), musl=False).level == "ok"
    told = judged_python(machine, (3, 12), musl=False)
    assert (told.level, told.exit_code) == ("fail", 69)
    assert "no TFLite runtime has a 32-bit wheel for Python 3.12" in told.detail


def test_the_runtime_of_this_machine_is_in_order() -> None:
    finding = one(check_runtime())
    assert finding.level == "ok", finding
    assert "runs a model in" in finding.detail
    assert "with XNNPACK" in finding.detail or "tflite_runtime" in finding.detail


def test_without_its_fast_kernels_it_is_told() -> None:
    """The line is missing: it is several times slower, and says nothing."""
    finding = judged(Answer((LITERT,), None, "Error in cpuinfo: failed to parse processor information"))
    assert finding.level == "warn"
    assert "without XNNPACK" in finding.detail
    assert "no ProcSubset=pid" in finding.fix
    assert "--upgrade ai-edge-litert" in judged(Answer((LITERT,), None, "")).command
    assert judged(Answer((LITERT,), None, "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.")).level == "ok"


def test_where_cpuinfo_is_hidden_it_is_told() -> None:
    """As ProcSubset=pid of a systemd unit does it."""
    command = [
        *["unshare", "--mount", "sh", "-c", 'mount -t proc -o subset=pid proc /proc && exec "$@"', "sh"],
        *[sys.executable, "-c", "from edge_infer.tools.doctor.runtime import *; print(next(check_runtime()))"],
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=child.environment())
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"needs root to hide a file: {done.stderr}")
    if "ai_edge_litert" not in done.stdout:
        pytest.skip("tflite-runtime has no XNNPACK for quantised models")
    assert "level='warn'" in done.stdout, done.stderr
    assert "without XNNPACK" in done.stdout


@pytest.mark.parametrize(
    ("answer", "says", "mends"),
    [
        (
            Answer(({"importing": "cv2"},), "crashed (SIGSEGV)", "oh"),
            "cv2: it crashed (SIGSEGV): oh",
            "force-reinstall",
        ),
        (
            Answer(({"importing": "cv2", "error": "libGL.so.1: cannot open", "exit_code": 70},), None, ""),
            "cv2 cannot be imported: libGL.so.1",
            "opencv-python-headless",
        ),
        (Answer(({"error": "no TFLite runtime (); pip install x", "exit_code": 69},), None, ""), "no TFLite", ""),
        (
            Answer(({"importing": "numpy", "error": "No module named 'numpy'", "exit_code": 70},), None, ""),
            "numpy cannot be imported: No module named 'numpy'",
            "edge-infer",
        ),
        (Answer((LITERT,), "did not answer within 30 s", ""), "running a model with ai_edge_litert 2.3.0", "wheels"),
    ],
)
def test_what_cannot_be_imported_is_told(answer: Answer, says: str, mends: str) -> None:
    finding = judged(answer)
    assert (finding.level, finding.exit_code) == ("fail", 69)
    assert says in finding.detail
    assert mends in finding.command + finding.fix


CRASHES = {
    "os.kill(os.getpid(), 11)": "crashed (SIGSEGV)",
    "os.kill(os.getpid(), 6)": "ended the process (SIGABRT)",
    "os.kill(os.getpid(), 4)": "uses an instruction that this processor does not have (SIGILL)",
    "os.kill(os.getpid(), 9)": "was killed (SIGKILL: most likely out of memory)",
    "os.kill(os.getpid(), 15)": "was ended by SIGTERM",
    "os._exit(3)": "ended with exit code 3",
    "time.sleep(60)": "did not answer within 2 s",
}


@pytest.mark.parametrize(("act", "died"), CRASHES.items(), ids=CRASHES)
def test_a_module_that_ends_its_process_is_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, died: str
) -> None:
    (tmp_path / "native.py").write_text(f"import os, sys, time\nprint('last words', file=sys.stderr)\n{act}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    answer = ask("module", "native", seconds=2.0 if "sleep" in act else 30.0)
    assert (answer.died, answer.steps, answer.last_words) == (died, (), ": last words")


def test_what_a_module_prints_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "chatty.py").write_text("import os\nprint('{\"error\": 1}', flush=True)\nos.write(1, b'[1]\\n')\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert ask("module", "chatty", seconds=30.0) == Answer(({"imported": "chatty"},), None, '{"error": 1}\n[1]\n')


def test_what_a_probe_has_started_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parent.py").write_text(
        "import os, subprocess, sys, time\nchild = subprocess.Popen(['sleep', '60'])\n"
        "open(os.environ['PID_FILE'], 'w').write(str(child.pid))\ntime.sleep(60)\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("PID_FILE", str(tmp_path / "pid"))
    assert ask("module", "parent", seconds=2.0).died == "did not answer within 2 s"
    status = Path(f"/proc/{(tmp_path / 'pid').read_text()}/status")
    until(lambda: not status.exists() or "State:\tZ" in status.read_text(), what="the end of what it started")


def test_a_probe_ends_with_the_doctor(tmp_path: Path) -> None:
    """Even if nobody is left who could end it."""
    (tmp_path / "slow.py").write_text(
        "import os, time\nopen(os.environ['PID_FILE'], 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    )
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom edge_infer.tools.doctor.child import ask\n"
    with subprocess.Popen(
        [sys.executable, "-c", f"{program}ask('module', 'slow', seconds=60.0)"],
        env=child.environment() | {"PID_FILE": str(tmp_path / "pid")},
    ) as doctor:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), what="the probe")
        pid = int((tmp_path / "pid").read_text())
        doctor.kill()
        until(lambda: not Path(f"/proc/{pid}").exists(), what="the end of the probe")
