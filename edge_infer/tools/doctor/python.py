"""Python, and whether the installed packages fit it and each other."""

import platform
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import distributions
from pathlib import Path

from edge_infer.tools.doctor.finding import Finding, fail, ok, warn
from edge_infer.tools.doctor.machine import Machine, read_machine

OPENCV = ("opencv-python-headless", "opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")
SHOWN = ("numpy", *OPENCV, "ai-edge-litert", "tflite-runtime", "paho-mqtt", "msgspec")
LITERT, TFLITE = "ai-edge-litert", "tflite-runtime"
LAST_TFLITE_PYTHON = (3, 11)  # Source: the wheels of tflite-runtime 2.14, its last version
OPENCV_WANTS_NUMPY_2 = (4, 12)  # Source: the requirements of opencv-python-headless 4.12 and later
HERE = f"{sys.executable} -m pip install"


def check_python(root: Path = Path("/")) -> Iterator[Finding]:
    """Version, width and C library: what decides which wheels there are."""
    yield judged_python(read_machine(root), sys.version_info[:2], musl=any(root.glob("lib/ld-musl-*")))


def check_packages(path: Sequence[str] | None = None) -> Iterator[Finding]:
    """Versions that do not fit each other; `path` is where packages lie, default: where Python looks."""
    versions = installed(sys.path if path is None else path)
    misfits = list(_misfits(versions))
    yield from misfits
    if not misfits:
        yield ok("packages", ", ".join(f"{name} {versions[name]}" for name in SHOWN if name in versions))


def installed(path: Sequence[str]) -> dict[str, str]:
    """Version by name of each installed package; as Python does, the first on the path counts."""
    found: dict[str, str] = {}
    for distribution in distributions(path=list(path)):
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
    return found


def judged_python(machine: Machine, version: Sequence[int], *, musl: bool) -> Finding:
    """What a Python of this version (major, minor) finds on a machine."""
    name = ".".join(map(str, version))
    width = f", {machine.bits}-bit" if machine.bits else ""
    library = "musl" if musl else " ".join(platform.libc_ver())
    described = f"{name}{width}, {library}, {sys.prefix}"
    if musl:
        return fail(
            "python",
            f"{described}: the TFLite runtimes have no wheels for musl",
            "use a system with glibc: Raspberry Pi OS, Debian or Ubuntu",
        )
    if machine.bits == 32 and tuple(version) > LAST_TFLITE_PYTHON:
        return fail(
            "python",
            f"{described}: no TFLite runtime has a 32-bit wheel for Python {name}",
            "install the 64-bit system; or stay with 32 bits and Python 3.11 (Raspberry Pi OS 12)",
        )
    return ok("python", described)


def _misfits(versions: dict[str, str]) -> Iterator[Finding]:
    opencvs = [name for name in OPENCV if name in versions]
    numpy = _parsed(versions.get("numpy", "0"))
    if len(opencvs) > 1:
        yield warn(
            "packages",
            f"{' and '.join(opencvs)} are installed into the same folder and overwrite each other's files",
            "keep the headless one alone",
            f"{sys.executable} -m pip uninstall -y {' '.join(opencvs)} && {HERE} {OPENCV[0]}",
        )
    if TFLITE in versions and numpy >= (2,):
        used = LITERT not in versions
        say = fail if used else warn
        yield say(
            "packages",
            f"tflite-runtime {versions[TFLITE]} fails with NumPy 2, and numpy {versions['numpy']} is installed",
            "NumPy 1 fits both runtimes" if used else "remove tflite-runtime, LiteRT does its work; or take NumPy 1",
            f"{HERE} 'numpy>=1.26.4,<2' 'opencv-python-headless<4.12'"
            if used
            else f"{sys.executable} -m pip uninstall -y tflite-runtime",
        )
    late = [name for name in opencvs if _parsed(versions[name]) >= OPENCV_WANTS_NUMPY_2]
    if late and (1,) <= numpy < (2,):
        yield warn(
            "packages",
            f"{late[0]} {versions[late[0]]} demands NumPy 2, and numpy {versions['numpy']} is installed",
            "take the OpenCV that was made for NumPy 1",
            f"{HERE} '{late[0]}>=4.11,<4.12'",
        )


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
