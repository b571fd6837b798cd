"""A PostgreSQL server of its own, which can crash."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from chaos_run.parts import MissingProgramError, Part, PartError, wait_for
from edge_infer.tools.local_broker import free_port

FOLDERS = "/usr/lib/postgresql"  # where Debian keeps the programs that are not on the PATH
ACCOUNTS = ("postgres", "nobody")  # PostgreSQL refuses to run as root
USER = "edge"
START_S = 60.0


class Postgres(Part):
    """The server, in a folder of its own that its account may enter, until `remove`; fsync as by default."""

    def __init__(self, folder: Path) -> None:
        programs = _programs()
        self._home = Path(tempfile.mkdtemp(prefix="edge-infer-pg-"))
        self.port = free_port()
        self._is_ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        as_account: list[str] = []
        if os.geteuid() == 0:
            account = _account()
            os.chown(self._home, account.pw_uid, account.pw_gid)
            as_account = ["setpriv", "--reuid", str(account.pw_uid), "--regid", str(account.pw_gid), "--clear-groups"]
        data = self._home / "data"
        make = [
            programs / "initdb",
            "-D",
            data,
            "-U",
            USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        done = subprocess.run(
            [str(word) for word in (*as_account, *make)],
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
            cwd=self._home,
        )
        if done.returncode:
            raise PartError(f"initdb fails: {done.stderr.strip()}")
        serve = [
            programs / "postgres",
            "-D",
            data,
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-k",
            self._home,
        ]
        super().__init__("database", [*as_account, *serve], folder)

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        super().start()
        wait_for(lambda: subprocess.run(self._is_ready, check=False).returncode == 0, START_S, self, "answer")

    def kill(self) -> None:
        """A crash: all connections break, nothing is written, and the next start recovers from the log."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(START_S)
            self._process = None

    def remove(self) -> None:
        """End it, and delete its folder."""
        self.kill()
        shutil.rmtree(self._home)


def _programs() -> Path:
    on_path = [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    for folder in (*on_path, *sorted(Path(FOLDERS).glob("*/bin"), reverse=True)):
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    raise MissingProgramError("needs PostgreSQL: apt install postgresql")


def _account() -> pwd.struct_passwd:
    for name in ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PartError(f"PostgreSQL refuses to run as root, and there is no user {' or '.join(ACCOUNTS)}")
