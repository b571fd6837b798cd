"""edge_infer as a service of this system: put in place, and taken away again. Each step can be done twice."""

import compileall
import difflib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_infer.errors import UnavailableError
from edge_infer.settings import load_settings, sample
from edge_infer.tools.install_pieces import Piece, named_paths, paths, pieces, unseen

PACKAGE = Path(__file__).resolve().parents[1]
BOOTED = Path("/run/systemd/system")  # Source: sd_booted(3)
COMMAND_S = 180.0  # a start may take TimeoutStartSec=120


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The system, and which of its daemons is meant; `dry_run` says what would be done, and does nothing."""

    root: Path = Path("/")
    instance: str | None = None
    dry_run: bool = False

    @property
    def live(self) -> bool:
        """False for the root of another system, such as a mounted SD card."""
        return self.root == Path("/")

    @property
    def unit(self) -> str:
        """Name of the service."""
        return f"edge-infer@{self.instance}.service" if self.instance else "edge-infer.service"

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.root / "etc/edge-infer" / f"{self.instance or 'config'}.yaml"

    @property
    def states(self) -> list[Path]:
        """What its state folder is, under DynamicUser=. Source: systemd.exec(5), StateDirectory=."""
        name = f"edge-infer-{self.instance}" if self.instance else "edge-infer"
        return [self.root / "var/lib/private" / name, self.root / "var/lib" / name]

    def check(self) -> None:
        """See that it can be worked on.

        Raises:
            UnavailableError: there is no such system, no systemd runs in it, or this is not root.
        """
        if not self.root.is_dir():
            raise UnavailableError(f"there is no system below {self.root}: it is no folder; mount it first")
        if self.live and not BOOTED.is_dir():
            raise UnavailableError(
                f"systemd does not run here ({BOOTED} is not there): let another supervisor start `edge-infer run`, "
                "or name the root of another system with --root"
            )
        if self.live and not self.dry_run and os.geteuid() != 0:
            raise UnavailableError("only root can change the services of a system: use sudo; --dry-run needs no root")


def install(target: Target, *, start: bool) -> Iterator[str]:
    """Do it step by step, and tell each; the last says what comes next.

    Raises:
        UnavailableError: a step failed; doing it again goes on from there.
        ConfigError: all is in place, but the configuration is wrong, and the service was not started.
    """
    target.check()
    for piece in pieces(target.root):
        yield from _put(piece, dry_run=target.dry_run)
    yield from _put_sample(target)
    if target.live:
        yield compiled(PACKAGE, dry_run=target.dry_run)
    where = [] if target.live else [f"--root={target.root}"]
    yield _run(target, "systemd-sysusers", *where, "edge-infer.conf")
    yield _run(target, "systemd-tmpfiles", "--create", *where, "edge-infer.conf")
    if target.live:
        yield from _reload(target)
    yield _run(target, "systemctl", *where, "enable", target.unit)
    if not target.live:
        yield f"{target.unit} starts with that system, when {target.config} says what it shall do"
    elif not start:
        yield f"next: `systemctl start {target.unit}`"
    elif not target.config.exists() or target.config.read_text("utf-8") == sample():
        yield f"next: say in {target.config} what it shall do, then `systemctl start {target.unit}`"
    else:
        _check_config(target)
        yield _run(target, "systemctl", "restart", target.unit)


def uninstall(target: Target, *, purge: bool) -> Iterator[str]:
    """Stop it and take away what `install` wrote; `purge` takes configuration and state, too. Tells each step.

    Without an instance that is all of them; with one, only that one.

    Raises:
        UnavailableError: a step failed; doing it again goes on from there.
    """
    target.check()
    where = [] if target.live else [f"--root={target.root}"]
    written = paths(target.root)
    there = written[0].exists()
    units = [target.unit] if target.instance else ["edge-infer.service", "edge-infer@.service"]
    if target.live and there:
        yield _run(target, "systemctl", "stop", *(units[:1] if target.instance else [units[0], "edge-infer@*.service"]))
    if there:
        yield _run(target, "systemctl", *where, "disable", *units)
    if not target.instance:
        for path in written:
            yield _remove(path, dry_run=target.dry_run)
        if target.live:
            yield from _reload(target)
    if purge:
        for path in _left(target):
            yield _remove(path, dry_run=target.dry_run)


def _left(target: Target) -> list[Path]:
    """Configuration and state, of one daemon or of all."""
    if target.instance:
        return [target.config, *target.states]
    folder = target.config.parent
    names = sorted({None, *(path.stem for path in folder.glob("*.yaml") if path != target.config)}, key=str)
    every = [Target(root=target.root, instance=name) for name in names]
    return [folder, *(path for one in every for path in one.states)]


def _put(piece: Piece, *, dry_run: bool) -> Iterator[str]:
    """Write a file so that at no moment half of it is there."""
    before = piece.path.read_text("utf-8") if piece.path.exists() else ""
    if before == piece.text:
        yield f"unchanged  {piece.path}"
    elif dry_run:
        yield f"would write {piece.path}"
        yield from difflib.unified_diff(
            before.splitlines(), piece.text.splitlines(), str(piece.path), str(piece.path), lineterm=""
        )
    else:
        try:
            piece.path.parent.mkdir(parents=True, exist_ok=True)
            new = piece.path.with_name(f".{piece.path.name}.new")
            with new.open("w", encoding="utf-8") as file:
                file.write(piece.text)
                file.flush()
                os.fchmod(file.fileno(), 0o644)  # systemd warns of units that others may write to
                os.fsync(file.fileno())
            new.replace(piece.path)
        except OSError as error:
            raise UnavailableError(f"cannot write {piece.path}: {error.strerror}") from error
        yield f"wrote      {piece.path}"


def compiled(package: Path, *, dry_run: bool = False) -> str:
    """Give each module of a package its bytecode, which pip does where nobody forbids it; tells the step.

    The user of the service cannot write it: each start would compile it all again (x86-64: 0.2 s of 0.5).
    """
    if dry_run:
        return f"would compile {package}"
    done = compileall.compile_dir(package, quiet=2)
    return f"compiled   {package}" if done else f"skipped    {package} cannot be compiled: each start will take longer"


def _put_sample(target: Target) -> Iterator[str]:
    """A configuration to start from; one that is there stays as it is."""
    if target.config.exists():
        yield f"kept       {target.config}"
    else:
        yield from _put(Piece(target.config, sample()), dry_run=target.dry_run)


def _check_config(target: Target) -> None:
    settings = load_settings(target.config)
    hidden = [why for path in named_paths(settings) if (why := unseen(path))]
    if hidden:
        raise UnavailableError(
            f"{target.unit} is installed but not started, for it could not see what {target.config} names: "
            f"{'; '.join(hidden)}. Move it below /etc/edge-infer or /var/lib/edge-infer, then install again"
        )


def _reload(target: Target) -> Iterator[str]:
    """Let systemd and udev read their files again; where no udev runs (a container), its rules wait for a boot."""
    yield _run(target, "systemctl", "daemon-reload")
    for command in (("control", "--reload"), ("trigger", "--subsystem-match=usb", "--subsystem-match=apex")):
        try:
            yield _run(target, "udevadm", *command)
        except UnavailableError as error:
            yield f"skipped    {error}; the rules for Coral devices hold from the next boot"
            return


def _run(target: Target, *command: str) -> str:
    line = " ".join(command)
    if target.dry_run:
        return f"would run  {line}"
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    except FileNotFoundError as error:
        raise UnavailableError(f"`{line}`: there is no {command[0]} here") from error
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"`{line}` did not end within {COMMAND_S:g} s; install again") from error
    if ran.returncode:
        raise UnavailableError(f"`{line}` failed: {' '.join(ran.stderr.split()) or f'exit code {ran.returncode}'}")
    return f"ran        {line}"


def _remove(path: Path, *, dry_run: bool) -> str:
    if not path.exists() and not path.is_symlink():
        return f"not there  {path}"
    if dry_run:
        return f"would remove {path}"
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        raise UnavailableError(f"cannot remove {path}: {error.strerror}") from error
    return f"removed    {path}"
