"""The service in a booted system: a broker beside it, its configuration, and what may be asked of it."""

import json
import re
from pathlib import Path
from typing import Any

from booted import EDGE_INFER, Booted
from waiting import until

UNIT = "edge-infer.service"
START_S = 40.0
PASSWORD = "not in any file that others can read"
BROKER = "listener 1883 127.0.0.1\nallow_anonymous false\npassword_file /etc/mosquitto/users\n"
CONFIG = """version: 1
device: {id: DEVICE}
mqtt: {url: 'mqtt://127.0.0.1', username: porch, password_file: credentials/mqtt.pw}
health: {interval_s: 1}
commands: {allow: [ping, restart]}
pipelines:
  door:
    source: {kind: still, uri: /opt/clone/models/face-detection/sample.jpg, fps: FPS, size: [320, 240]}
    model: {path: /opt/clone/models/face-detection, device: cpu}
"""
ONCE = """[Service]
Type=oneshot
Restart=no
WatchdogSec=0
ExecStart=
ExecStart={command}
StandardOutput=append:/run/probe.out
StandardError=journal
"""


class Service:
    """`edge-infer install` was run for it; `running` brings it back to what a fresh one is."""

    def __init__(self, system: Booted) -> None:
        self.system = system
        system.run(EDGE_INFER, "install")
        self.start_broker()

    def start_broker(self) -> None:
        """A broker that knows one user; the password lies where only root and the service's start can read it."""
        system = self.system
        system.run("mosquitto_passwd", "-b", "-c", "/etc/mosquitto/users", "porch", PASSWORD)
        system.run("chmod", "644", "/etc/mosquitto/users")
        system.path("/etc/mosquitto/mosquitto.conf").write_text(BROKER)
        secret = system.path("/etc/edge-infer/credentials/mqtt.pw")
        secret.touch(0o600)
        secret.write_text(f"{PASSWORD}\n")
        system.run("systemctl", "restart", "mosquitto.service")

    def configure(self, *, name: str = "config", fps: int = 20, device: str = "porch", more: str = "") -> bool:
        """Whether this is another configuration than there was."""
        text = CONFIG.replace("FPS", str(fps)).replace("DEVICE", device) + more
        file = self.system.path(f"/etc/edge-infer/{name}.yaml")
        changed = file.read_text() != text if file.exists() else True
        file.write_text(text)
        return changed

    def running(self) -> None:
        """In order, whatever a test has left behind."""
        if self.configure() or not self.is_active():
            self.system.run(EDGE_INFER, "install")
            assert self.is_active()

    def drop_in(self, unit: str, text: str) -> None:
        """What `systemctl edit` does, until the next boot."""
        folder = self.system.path(f"/run/systemd/system/{unit}.d")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "test.conf").write_text(text)
        self.system.run("systemctl", "daemon-reload")

    def is_active(self, unit: str = UNIT) -> bool:
        return (self.show("ActiveState", unit), self.show("SubState", unit)) == ("active", "running")

    def show(self, name: str, unit: str = UNIT) -> str:
        return self.system.run("systemctl", "show", "--value", "--property", name, unit).strip()

    def pid(self, unit: str = UNIT) -> str:
        return self.show("MainPID", unit)

    def comes_back(self, after: str, unit: str = UNIT) -> None:
        """Wait for a daemon with another process than this one, that is ready."""
        until(lambda: self.pid(unit) not in ("0", after) and self.is_active(unit), START_S, "the service, started anew")

    def heard(self, topic: str, count: int = 1) -> list[dict[str, Any]]:
        """The next messages on a topic."""
        login = ["-u", "porch", "-P", PASSWORD]
        wait = ["-C", str(count), "-W", str(int(START_S))]
        lines = self.system.run("mosquitto_sub", "-R", *login, "-t", topic, *wait).splitlines()
        return [json.loads(line) for line in lines]

    def tell(self, topic: str, message: str) -> None:
        self.system.run("mosquitto_pub", "-u", "porch", "-P", PASSWORD, "-q", "1", "-t", topic, "-m", message)

    def says(self, pattern: str, unit: str = UNIT, *, since: str = "") -> None:
        """Wait until the journal of the unit's last start (or since a cursor) holds this."""

        def found() -> bool:
            return re.search(pattern, self.journal(unit, since=since)) is not None

        until(found, START_S, f"{pattern!r} in the journal")

    def journal(self, unit: str = UNIT, *, since: str = "") -> str:
        return self.system.run(
            "journalctl", "--output=cat", "--unit", unit, *([f"--after-cursor={since}"] if since else [])
        )

    def cursor(self) -> str:
        """A place in the journal: its end, now."""
        self.system.run("journalctl", "--sync")
        return self.system.run("journalctl", "--quiet", "--lines=0", "--show-cursor").rpartition("cursor: ")[2].strip()

    def sandboxed(self, *command: str | Path) -> str:
        """What a command prints that runs as the unit runs the daemon."""
        self.drop_in("edge-infer@probe.service", ONCE.format(command=" ".join(map(str, command))))
        output = self.system.path("/run/probe.out")
        output.unlink(missing_ok=True)
        self.system.run("systemctl", "start", "--wait", "edge-infer@probe.service")
        return output.read_text()
