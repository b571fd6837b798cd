"""The systemd unit: is it installed, enabled, running; how did it end last."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge_infer.settings import Settings
from edge_infer.tools.doctor.finding import Finding, fail, ok, skip, warn
from edge_infer.tools.install_pieces import named_paths, unseen

UNIT = "edge-infer.service"
SECONDS = 5.0
SHOWN = (
    "LoadState", "UnitFileState", "ActiveState", "SubState", "Result", "NRestarts", "ExecMainStatus", "ExecMainCode",
    "ProcSubset",
)  # fmt: skip
MANY = 5  # restarts; a start and an update or two are none to speak of
EXITED = "1"  # Source: systemd.exec(5) and siginfo: CLD_EXITED
# What our exit codes (errors.py) ask for.
CODES = {
    "64": "correct its command line: `systemctl cat edge-infer`",
    "65": "correct the model or input that its log names",
    "69": "see to the device, file or broker that its log names",
    "70": "report the fault that its log shows",
    "75": "a part of it hung, as its log shows",
    "78": "correct the configuration: `edge-infer check`",
}


def unit_of(config: Path | None) -> str:
    """The unit that runs a configuration: one of several daemons has a file of its own name (docs/systemd.md)."""
    if config is None or config.absolute().parent != Path("/etc/edge-infer") or config.stem == "config":
        return UNIT
    return f"edge-infer@{config.stem}.service"


def ask_systemd(unit: str) -> Mapping[str, str]:
    """What systemd knows of a unit; nothing where it does not run."""
    command = ["systemctl", "show", unit, f"--property={','.join(SHOWN)}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line) if not done.returncode else {}


def check_service(config: Path | None, settings: Settings | None) -> Iterator[Finding]:
    """How the service is."""
    name = unit_of(config)
    yield from judged(name, ask_systemd(name), settings)


def judged(name: str, unit: Mapping[str, str], settings: Settings | None) -> Iterator[Finding]:
    """What the answer of systemd means."""
    if not unit:
        yield skip("service", "systemd does not run here")
        return
    if unit.get("LoadState") == "not-found":
        yield skip("service", "it is not installed; `sudo edge-infer install` makes the daemon start with the machine")
        return
    yield _state(name, unit)
    if unit.get("ProcSubset") == "pid":
        yield warn(
            "service",
            "ProcSubset=pid hides /proc/cpuinfo from it: inference becomes three to four times slower",
            "take that line out of the unit or its drop-in",
            f"sudo systemctl edit {name}",
        )
    hidden = [why for path in named_paths(settings) if (why := unseen(path.absolute()))] if settings else []
    for why in hidden:
        yield fail(
            "service", f"it cannot see what the configuration names: {why}", "move it below /etc/edge-infer or /opt"
        )


def _state(name: str, unit: Mapping[str, str]) -> Finding:
    log = f"journalctl -u {name} -n 50 --no-pager"
    state = f"{unit.get('ActiveState', '?')} ({unit.get('SubState', '?')})"
    restarts = int(unit.get("NRestarts") or 0)
    code, result = unit.get("ExecMainStatus", "0"), unit.get("Result", "success")
    ended = f", its last end: {result}" + (f", exit code {code}" if unit.get("ExecMainCode") == EXITED else "")
    again = f", {restarts} restarts" if restarts else ""
    if unit.get("ActiveState") == "failed" or unit.get("SubState") == "auto-restart":
        return fail("service", f"{state}{ended}{again}", CODES.get(code, "its log says why"), log)
    if unit.get("ActiveState") != "active":
        return warn("service", f"installed, but {state}", "start it", f"sudo systemctl enable --now {name}")
    if restarts >= MANY:
        return warn("service", f"{state}, but it was restarted {restarts} times", "its log says why", log)
    if unit.get("UnitFileState") == "disabled":
        return warn(
            "service", f"{state}, but it does not start with the machine", "enable it", f"sudo systemctl enable {name}"
        )
    return ok("service", f"{state}{again}")
