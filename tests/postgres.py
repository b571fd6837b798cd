"""A real PostgreSQL server that a test may stop, freeze and start again, and a fresh database for each test."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from waiting import until

from edge_infer.tools.local_broker import free_port

FOLDERS = "/usr/lib/postgresql"  # where Debian keeps the programs that are not on the PATH
START_S = 60.0
USER = "edge"  # may do anything, without a password
LOGIN, PASSWORD = "porter", "not for logs"  # may log in with this password only


class Postgres:
    """The server in processes of its own, on a loopback port that it keeps over restarts; fsync as by default."""

    def __init__(self) -> None:
        programs = _programs()
        self._account = _account()
        self._programs = programs
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="edge-infer-pg-"))
        if self._account:
            os.chown(self._folder, self._account.pw_uid, self._account.pw_gid)
        self._data = self._folder / "data"
        self._log = self._folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", self._data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C")
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"host all {LOGIN} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")

    def start(self) -> None:
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-k", self._folder]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *where],
                stdout=log, stderr=log, cwd=self._folder, **self._as(),
            )  # fmt: skip
        until(self._is_ready, START_S, "PostgreSQL")

    def stop(self) -> None:
        """End it at once, as a crash would: clients lose their connection, it recovers when it is started again."""
        if self._process:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(START_S)
            self._process = None

    @contextmanager
    def away(self) -> Iterator[None]:
        """It is not there until the block ends."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def url(self, database: str, user: str = USER) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty database that is gone afterwards."""
        name = f"test_{secrets.token_hex(4)}"
        self.sql(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What psql prints."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", database]
        return self._run("psql", *where, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement).strip()

    def _is_ready(self) -> bool:
        assert self._process
        assert self._process.poll() is None, f"PostgreSQL ended: {self._log.read_text()[-500:]}"
        command = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, timeout=START_S).returncode == 0

    def _run(self, program: str, *arguments: str | Path) -> str:
        done = subprocess.run(
            [self._programs / program, *arguments],
            capture_output=True, text=True, timeout=START_S, cwd=self._folder, **self._as(),
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout

    def _as(self) -> dict[str, int | list[int]]:
        """PostgreSQL refuses to run as root."""
        if self._account is None:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}


def _programs() -> Path:
    pytest.importorskip("psycopg", reason="needs psycopg: pip install edge-infer[collector]")
    on_path = [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    for folder in (*on_path, *sorted(Path(FOLDERS).glob("*/bin"), reverse=True)):
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    pytest.skip("needs PostgreSQL: apt install postgresql")


def _account() -> pwd.struct_passwd | None:
    """Whom the server runs as: us, but for root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
