"""The daemon that runs on this machine now, if one does: it holds cameras and Edge TPUs, and knows how they do."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_infer.deliver.state_dir import default_state_dir
from edge_infer.deliver.stored import is_used
from edge_infer.errors import StalledError, UnavailableError
from edge_infer.health.live import DaemonStatus
from edge_infer.settings import Settings
from edge_infer.tools.daemons import daemons
from edge_infer.tools.doctor.finding import Finding, fail, ok, warn
from edge_infer.tools.places import state_dir


@dataclass(frozen=True, slots=True)
class Running:
    """What each daemon says, why others say nothing, and whether somebody uses the outbox of our device."""

    said: tuple[DaemonStatus, ...] = ()
    hung: tuple[str, ...] = ()
    holds_outbox: bool = False

    def __bool__(self) -> bool:
        return bool(self.said or self.hung or self.holds_outbox)


def find_running(settings: Settings | None, root: Path = Path("/")) -> Running:
    """Ask all daemons of this machine that may be asked."""
    folder = root / str((state_dir(settings) if settings else default_state_dir()).absolute()).lstrip("/")
    holds = settings is not None and _holds(folder, settings.device.id)
    try:
        answers, stalled = daemons(folder, root=root)
    except (UnavailableError, OSError):  # none runs, or its folder is closed to us
        return Running(holds_outbox=holds)
    return Running(tuple(answer.status for answer in answers), tuple(map(str, stalled)), holds)


def check_daemon(running: Running) -> Iterator[Finding]:
    """How the daemons that run are doing, as they say themselves."""
    for hung in running.hung:
        yield fail("daemon", hung, "start it anew", "sudo systemctl restart edge-infer", StalledError.exit_code)
    for status in running.said:
        who = f"'{status.device}' runs (pid {status.pid})"
        if status.state == "online":
            yield ok("daemon", f"{who} and is well")
        else:
            why = "; ".join(f"{part}: {reason}" for part, reason in status.reasons.items())
            fix = "what else is found here may be the reason"
            yield warn("daemon", f"{who} and is {status.state}: {why}", fix, "edge-infer status")


def _holds(folder: Path, device: str) -> bool:
    try:
        return is_used(folder / f"outbox-{device}.db")
    except OSError:
        return False
