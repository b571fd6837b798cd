"""A broker on a free loopback port, for demonstrations and measurements: mosquitto, or else iotcore."""

import contextlib
import importlib.util
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_infer.errors import UnavailableError

START_S = 10.0
MOSQUITTO = """listener {port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_queued_messages 0
log_type error
"""
# Without set_tcp_nodelay the broker's Nagle delays acknowledgements by 40 ms; max_queued_messages 0: no limit.
# log_type error: nobody reads its stderr while it runs, and a full pipe would stop it.
IOTCORE = """id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "v5"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
    [v5.1.connections]
    connection_timeout_ms = 60000
    max_payload_size = 2048000
    max_inflight_count = 100
    dynamic_filters = true
"""
RUN_IOTCORE = "import sys, time; from iotcore import Broker\nwith Broker(config_path=sys.argv[1]):\n    time.sleep(1e9)"


@contextmanager
def local_broker() -> Iterator[str]:
    """The URL of a broker that runs until the block ends.

    Raises:
        UnavailableError: neither of the two is installed, or it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="edge-infer-broker-") as folder:
        port = free_port()
        command = _command(Path(folder), port)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder) as process:
            try:
                _wait_listening(process, port)
                yield f"mqtt://127.0.0.1:{port}"
            finally:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5.0)
                process.kill()


def find_mosquitto() -> str | None:
    """Path of mosquitto; Debian puts it where a user's PATH does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """A loopback port that is free, and stays so until its server starts, or while that is away.

    Linux gives no connection a port from here: its own begin at 32768 (ip_local_port_range). One of those can be taken
    by any connection meanwhile, also by a client's that tries to reach the absent server, which then talks to itself.
    """
    while True:
        port = 16384 + secrets.randbelow(16384)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def _command(folder: Path, port: int) -> list[str]:
    mosquitto = find_mosquitto()
    if mosquitto:
        settings = folder / "mosquitto.conf"
        settings.write_text(MOSQUITTO.format(port=port))
        return [mosquitto, "-c", str(settings)]
    if importlib.util.find_spec("iotcore"):
        settings = folder / "iotcore.toml"
        settings.write_text(IOTCORE.format(port=port))
        return [sys.executable, "-c", RUN_IOTCORE, str(settings)]
    raise UnavailableError("there is no broker here: apt install mosquitto, or pip install edge-infer[demo]")


def _wait_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
            return
        time.sleep(0.02)
    process.kill()
    said = process.stderr.read() if process.stderr else b""
    reason = said.decode(errors="replace").strip().splitlines()
    raise UnavailableError(f"the broker does not start: {reason[-1] if reason else 'no reason given'}")
