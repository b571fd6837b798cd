"""The files of a board: Debian's packages, unpacked, and wheels, kept in build/ until what they are made of changes."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from arm_run.boards import RELEASES, Board
from arm_run.emulation import Emulation
from arm_run.requirements import pip, pip_for, required, suite_tools, words
from edge_infer.errors import UnavailableError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
BASE = ("python3", "libstdc++6", "libatomic1", "dash", "bash", "coreutils", "procps")
APT = """APT::Architecture "{architecture}";
APT::Architectures {{"{architecture}";}};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "-";
"""
EXTRAS = ("prometheus",)  # that a device may have
BUILD_TOOLS = ("pip", "setuptools", "setuptools-scm")
# cpuinfo reads these: without them LiteRT silently does without XNNPACK, with this machine's /sys it crashes.
PROCESSORS = ("possible", "present")
SHOWN = 1000  # characters of a program's last words


def sysroot(board: Board, release: str) -> Path:
    """The folder, made if it is not there or was made otherwise.

    Raises:
        UnavailableError: a program, Debian's mirror or PyPI is not there.
    """
    folder = board.folder(release)
    folder.mkdir(parents=True, exist_ok=True)
    made, root, recipe = folder / "made-by", folder / "root", _recipe(board, release)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once make it once
        if not (made.exists() and made.read_text() == recipe):
            print(f"making {folder} (a minute or two, once)", file=sys.stderr)
            made.unlink(missing_ok=True)
            for part in (folder / "apt", root):
                shutil.rmtree(part, ignore_errors=True)
            root.mkdir()
            _unpack(board, release, folder / "apt", root)
            _settle(root)
            _install(board, release, root)
            made.write_text(recipe)
    return root


def _recipe(board: Board, release: str) -> str:
    """Changes when anything does that the folder is made of."""
    needed = words([*required(board.machine, RELEASES[release].python, *EXTRAS), *suite_tools()])
    made_of = repr((replace(board, not_run={}), RELEASES[release], needed)).encode()
    return hashlib.sha256(made_of + Path(__file__).read_bytes()).hexdigest()


def _unpack(board: Board, release: str, apt: Path, root: Path) -> None:
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_mirror()} {release} main\n")
    (apt / "apt.conf").write_text(APT.format(architecture=board.architecture, folder=apt))
    settings = {"APT_CONFIG": str(apt / "apt.conf")}
    _run("apt-get", "update", "-qq", **settings)
    _run("apt-get", "install", "-qq", "-y", "--download-only", *BASE, *board.packages, **settings)
    for package in sorted((apt / "cache/archives").glob("*.deb")):
        _run("dpkg-deb", "--extract", package, root)
    shutil.rmtree(apt)


def _mirror() -> str:
    """Where this machine has its own packages from."""
    said = _run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages")
    mirrors = [line for line in said.split() if line.rstrip("/").endswith("/debian")]
    if not mirrors or not KEYRING.exists():
        raise UnavailableError("this machine's apt has no mirror of Debian among its sources")
    return mirrors[0]


def _settle(root: Path) -> None:
    """What Debian's scripts would have made, and a /sys of two files."""
    processors = root / "sys/devices/system/cpu"
    for folder in (processors, *(root / name for name in ("dev", "proc", "tmp", "etc"))):
        folder.mkdir(parents=True, exist_ok=True)
    for name in PROCESSORS:
        (processors / name).write_text("0-1\n")
    (root / "etc/passwd").write_text("root:x:0:0::/tmp:/bin/sh\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    for name in ("blas", "lapack"):
        for library in root.glob(f"usr/lib/*/{name}/lib{name}.so.3"):  # Debian's alternatives
            (library.parents[1] / library.name).symlink_to(library.relative_to(library.parents[1]))


def _install(board: Board, release: str, root: Path) -> None:
    python, glibc = RELEASES[release].python, RELEASES[release].glibc
    needed = required(board.machine, python, *EXTRAS)
    there = pip_for(board.machine, python, glibc)
    target = root / f"usr/local/lib/python{python}/dist-packages"
    elsewhere = board.from_debian | board.from_source
    wheels = words([each for each in needed if each.name not in elsewhere])
    pip(*there, "--target", target, *(["--no-deps"] if elsewhere else []), *wheels)
    pip(*there, "--target", target, "--upgrade", *words(suite_tools()))
    compiled = words([each for each in needed if each.name in board.from_source])
    if compiled:
        _compile(board, root, target, compiled)


def _compile(board: Board, root: Path, target: Path, requirements: list[str]) -> None:
    """As pip does on the board itself where it finds no wheel: with its compiler, from the source."""
    sources, tools = root / "opt/sources", root / "opt/tools"
    pip("install", "--quiet", "--target", tools, *BUILD_TOOLS)
    from_source = ["--no-deps", "--no-binary", ",".join(board.from_source)]
    pip("download", "--quiet", *from_source, "--dest", sources, *requirements)
    inside = [str(Path("/", path.relative_to(root))) for path in (tools, target, *sources.iterdir())]
    build = [
        "pip",
        "install",
        "--quiet",
        "--no-build-isolation",
        "--no-index",
        "--no-deps",
        "--root-user-action=ignore",
    ]
    emulation = Emulation(board, root, board.processors[0])
    done = emulation.run("python3", "-m", *build, "--target", *inside[1:], PYTHONPATH=inside[0])
    if done.returncode:
        raise UnavailableError(f"{' '.join(requirements)} cannot be compiled: {done.stderr[-SHOWN:]}")
    shutil.rmtree(root / "opt")


def _run(*command: str | Path, **environment: str) -> str:
    try:
        done = subprocess.run(
            [*map(str, command)], env=os.environ | environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise UnavailableError(f"needs {command[0]}: only Debian and its children have it") from error
    if done.returncode:
        raise UnavailableError(f"{command[0]} {command[1]} fails: {done.stderr.strip()[-SHOWN:]}")
    return done.stdout
