"""A system of its own with systemd as PID 1: a throw-away copy of this one's files, booted within two seconds."""

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from waiting import until

from edge_infer.tools.install_pieces import unseen

REPOSITORY = Path(__file__).resolve().parents[2]
START_S = 60.0
COMMAND_S = 60
CGROUPS = ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup")  # version 1, both, 2
# All mounts lie in a namespace of their own, and the whole ends with the process that made it, however that ends.
# $1: name of a control group, so that two of these can run at once; $2: an empty folder; the rest: systemd-nspawn's
# command line. What is enabled or configured on this system shall not be in the copy.
BOOT = """
set -e
for groups in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
  if [ -w "$groups/cgroup.procs" ]; then mkdir "$groups/$1" && echo $$ > "$groups/$1/cgroup.procs"; fi
done
shift
mount -t tmpfs tmpfs "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
rm -rf "$1"/root/etc/systemd/system/* "$1"/root/etc/rc?.d "$1"/root/etc/edge-infer "$1"/root/var/lib/edge-infer
: > "$1/root/etc/machine-id"
cd "$1/root"
shift
exec "$@"
"""
UNSHARE = ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private"]
NSPAWN = ["systemd-nspawn", "--quiet", "--directory=.", "--register=no", "--keep-unit", "--private-network"]
NSPAWN += ["--console=pipe", "--kill-signal=SIGRTMIN+3", "--boot"]
PYTHON = Path("/opt/edge-infer/bin/python")
EDGE_INFER = Path("/opt/edge-infer/bin/edge-infer")


class Booted:
    """The running system; powered off at the end of the block."""

    def __init__(self, folder: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("needs root: it boots a system in a container")
        for program in ("systemd-nspawn", "setpriv", "nsenter"):
            if shutil.which(program) is None:
                pytest.skip(f"needs {program}: apt install systemd systemd-container")
        self._folder = folder
        self._log = folder / "boot.log"
        self._group = f"edge-infer-test-{os.getpid()}"
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, *command: str | Path, fails: bool = False) -> str:
        """What a command in it printed, on stdout and stderr."""
        enter = ["nsenter", "--target", self._leader(), "--all", "--wd=/", "env", "-i", "PATH=/usr/sbin:/usr/bin"]
        ran = subprocess.run(
            [*enter, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        assert (ran.returncode != 0) == fails, f"{command} ended with {ran.returncode}: {ran.stdout}"
        return ran.stdout

    def path(self, inside: str | Path) -> Path:
        """A file of it, as seen from here."""
        return Path(f"/proc/{self._leader()}/root") / str(inside).lstrip("/")

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "--property", name, unit).strip()

    def journal(self, *arguments: str) -> str:
        """What journald has; its newest lines may be on their way, so wait for what is expected."""
        return self.run("journalctl", "--no-pager", "--output=cat", *arguments)

    def _leader(self) -> str:
        """Its PID 1, seen from here; empty until there is one."""
        assert self._process
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return children.read_text().strip() if self._process.poll() is None else ""

    def _is_up(self) -> bool:
        assert self._process
        assert self._process.poll() is None, f"systemd-nspawn ended: {self._log.read_text()}"
        if not self._leader():
            return False
        with contextlib.suppress(AssertionError):  # it answers "offline" at first
            return "degraded" in (state := self.run("systemctl", "is-system-running", "--wait")) or "running" in state
        return False

    def __enter__(self) -> Self:
        binds = installed(self._folder)
        machine = self._folder / "machine"
        machine.mkdir()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*UNSHARE, "sh", "-c", BOOT, "sh", self._group, str(machine), *NSPAWN, *binds],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            until(self._is_up, START_S, "the system in the container")
            self.path("/etc/ld.so.conf.d/0-python.conf").write_text("/opt/python/lib\n")  # its rpath may be hidden
            self.run("ldconfig")
        except BaseException:
            self.__exit__(None, None, None)
            said = self._log.read_text()
            if any(word in said for word in ("overlay", "not permitted", "Read-only")):
                pytest.skip(f"no system can be booted in a container here: {said[-300:]}")
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process
        self._process.terminate()  # systemd-nspawn hands it on as a power-off
        try:
            self._process.wait(30.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10.0)
        for group in CGROUPS:
            for folder, _, _ in os.walk(f"{group}/{self._group}", topdown=False):
                Path(folder).rmdir()


def installed(folder: Path) -> list[str]:
    """Puts a virtual environment with this very package to /opt, as a user would; returns what must be bound for it.

    This Python and this clone may lie in a home, which a service cannot see.
    """
    base = Path(sys.base_prefix)
    binds = [f"--bind-ro={REPOSITORY}:/opt/clone", f"--bind-ro={sysconfig.get_path('purelib')}:/opt/libraries"]
    if unseen(base):
        binds.append(f"--bind-ro={base}:/opt/python")
        base = Path("/opt/python")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    environment = folder / "environment"
    packages = environment / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (packages / "clone.pth").write_text("/opt/clone\n/opt/libraries\n")
    (environment / "pyvenv.cfg").write_text(f"home = {base}/bin\ninclude-system-site-packages = false\n")
    (environment / "bin").mkdir()
    (environment / "bin/python").symlink_to(base / "bin" / version)
    script = environment / "bin/edge-infer"
    script.write_text(f"#!{PYTHON}\nfrom edge_infer.cli.main import entry\n\nentry()\n")
    script.chmod(0o755)
    for path in (folder, environment):
        path.chmod(0o755)
    return [*binds, f"--bind-ro={environment}:/opt/edge-infer"]
