"""`edge-infer status` asks a running daemon, whatever state that is in."""

import fcntl
import json
import os
import pty
import re
import signal
import socket
import stat
import struct
import subprocess
import termios
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyte
import pytest
from broker import Mosquitto
from command import EDGE_INFER, START_S, Daemon, environment, run
from fake_tpu import FakeTpu
from power import disk
from waiting import until

from edge_infer.health.status_socket import ask

Configure = Callable[..., Path]


def asked(folder: Path) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of `status --json`, no answer being {}."""
    ran = run("status", "--state-dir", "state", "--json", cwd=folder)
    return ran.returncode, json.loads(ran.stdout or "{}")


def answers(folder: Path, condition: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
    """The first answer that is like this."""
    found: dict[str, Any] = {}

    def is_so() -> bool:
        found.clear()
        found.update(json.loads(ask(folder / "state/status.sock", START_S) or "{}"))
        return bool(found and condition(found))

    until(is_so, 2 * START_S, what)
    return found


def works(status: dict[str, Any]) -> bool:
    pipelines = status["health"]["pipelines"].values()
    return all(pipeline["results"] and pipeline["stages_ms"] for pipeline in pipelines)


def is_measured(status: dict[str, Any]) -> bool:
    """Both threads that measure the machine have answered."""
    machine = status["health"]["machine"]
    return bool(machine["memory_bytes"] and machine["disk_bytes"])


def test_a_daemon_that_works_is_shown_on_one_screen(tmp_path: Path, configure: Configure, mosquitto: Mosquitto) -> None:
    with Daemon(tmp_path, "--config", configure(f"mqtt: {{url: '{mosquitto.url}'}}")) as daemon:
        status = answers(tmp_path, lambda s: works(s) and s["broker"]["connected"] and is_measured(s), "results")
        code, same = asked(tmp_path)
        shown = run("status", "--state-dir", "state", cwd=tmp_path)
        named = run("status", "--config", "config.yaml", cwd=tmp_path)
    assert code == shown.returncode == named.returncode == 0
    assert (status["device"], status["state"], status["reasons"]) == ("porch", "online", {})
    assert status["pid"] == same["pid"] == daemon.process.pid
    assert status["config"] == str(tmp_path / "config.yaml")
    assert status["state_dir"] == str(tmp_path / "state")
    stages = dict(same["first_results_s"]["door"])
    assert stages["program"] > 0
    assert stages.pop("total") == pytest.approx(sum(stages.values()), abs=0.01)
    health = same["health"]
    assert {"capture", "wait", "prepare", "infer", "decode", "publish", "total"} == set(
        health["pipelines"]["door"]["stages_ms"]
    )
    assert health["machine"]["memory_bytes"] > health["machine"]["memory_available_bytes"] > 0
    assert health["machine"]["disk_free_bytes"] > 0
    assert health["machine"]["cpu_percent"] is not None
    assert health["outbox"]["last_seq"] > 0
    lines = shown.stdout.splitlines()
    assert re.match(rf"porch  online  since \d{{4}}-\d\d-\d\d .*edge-infer .*pid {status['pid']}", lines[0])
    assert len(lines) <= 24
    door = next(line for line in lines if line.startswith("door"))
    assert re.match(r"door +running +cpu +[\d.]+/[\d.]+ +[\d.]+/[\d.]+/[\d.]+ +[\d.]+/[\d.]+/[\d.]+$", door)
    for part in (f"connected to {mosquitto.url}", "acknowledged by the broker", "machine", "process", "state in"):
        assert part in shown.stdout
    assert shown.stderr == ""


def test_a_daemon_without_a_broker_is_shown_too(tmp_path: Path, configure: Configure) -> None:
    with Daemon(tmp_path, "--config", configure()):
        status = answers(tmp_path, works, "results")
        shown = run("status", "--state-dir", "state", cwd=tmp_path)
    assert status["broker"] is status["health"]["outbox"] is None
    assert "none is configured" in shown.stdout
    assert shown.returncode == 0


def test_what_is_wrong_is_shown_and_scripts_can_tell(tmp_path: Path, configure: Configure) -> None:
    config = configure("mqtt: {url: 'mqtt://127.0.0.1:1'}", door="{kind: camera, uri: /dev/no-such-camera}")
    with Daemon(tmp_path, "--config", config):
        answers(tmp_path, lambda s: {"door", "broker"} <= set(s["reasons"]), "both reasons")
        code, status = asked(tmp_path)
        shown = run("status", "--state-dir", "state", cwd=tmp_path)
    assert (code, status["state"], shown.returncode) == (75, "degraded", 75)
    assert "! door: there is no camera at /dev/no-such-camera" in shown.stdout
    assert "! broker: cannot reach the broker mqtt://127.0.0.1:1: Connection refused" in shown.stdout
    assert re.search(r"^door +lost", shown.stdout, re.MULTILINE)


def test_a_pipeline_that_hangs_does_not_keep_it_from_answering(
    tmp_path: Path, configure: Configure, picture: Path
) -> None:
    os.mkfifo(tmp_path / "clip.avi")
    door = f"{{kind: still, uri: {picture}, fps: 20, size: [160, 120]}}"
    with Daemon(tmp_path, "--config", configure(door=door, yard="{kind: video, uri: clip.avi}")):
        status = answers(tmp_path, lambda s: s["health"]["pipelines"]["door"]["results"], "results of the other")
    assert status["health"]["pipelines"]["yard"]["frames"] == 0


def test_a_disk_that_hangs_does_not_keep_it_from_answering(tmp_path: Path, configure: Configure) -> None:
    with disk(tmp_path) as hanging:
        config = configure("mqtt: {url: 'mqtt://127.0.0.1:1'}\noutbox: {min_free_bytes: 0}")
        config.write_text(config.read_text().replace("state_dir: state", f"state_dir: {hanging.path}/state"))
        (tmp_path / "state").symlink_to(hanging.path / "state")
        with Daemon(tmp_path, "--config", config):
            answers(tmp_path, lambda s: s["health"]["outbox"]["commits"], "results on the disk")
            hanging.freeze()
            try:
                status = answers(tmp_path, lambda s: "does not answer" in s["reasons"].get("outbox", ""), "the reason")
                later = answers(
                    tmp_path,
                    lambda s: s["health"]["outbox"]["last_seq"] > status["health"]["outbox"]["last_seq"],
                    "more",
                )
            finally:
                hanging.thaw()
    assert later["state"] == "degraded"


def test_a_main_loop_that_hangs_is_told_and_since_when(tmp_path: Path, configure: Configure) -> None:
    reader, writer = os.pipe()
    command = [*EDGE_INFER, "run", "--config", configure()]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=writer)
    try:
        answers(tmp_path, works, "results")
        fill(writer)  # nobody reads the log any more: whoever writes into it waits for ever
        process.send_signal(signal.SIGHUP)  # which the main loop logs
        status = answers(tmp_path, lambda s: s["state"] == "stalled", "the hang")
        results = status["health"]["pipelines"]["door"]["results"]

        def lasts(later: dict[str, Any]) -> bool:
            goes_on = later["health"]["pipelines"]["door"]["results"] > results
            return goes_on and later["stalled_s"] > status["stalled_s"]

        answers(tmp_path, lasts, "it to last, and the rest to go on")
        shown = run("status", "--state-dir", "state", cwd=tmp_path)
    finally:
        process.kill()
        process.wait(10.0)
        os.close(reader)
        os.close(writer)
    assert "! the main loop has not turned for" in shown.stdout
    assert shown.returncode == 75


def fill(pipe: int) -> None:
    """Not a byte more fits into it; whoever else writes waits as before."""
    own = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        for size in (4096, 1):
            with suppress(BlockingIOError):
                while True:
                    os.write(own, b"x" * size)
    finally:
        os.close(own)


def test_a_process_that_is_stopped_gives_no_answer(tmp_path: Path, configure: Configure) -> None:
    with Daemon(tmp_path, "--config", configure()) as daemon:
        answers(tmp_path, works, "results")
        daemon.signal(signal.SIGSTOP)
        ran = run("status", "--state-dir", "state", cwd=tmp_path)
    assert ran.returncode == 75
    assert "gave no answer for 3 s: kill -USR1 shows where it hangs" in ran.stderr


def test_without_a_daemon_the_next_step_is_told(tmp_path: Path, configure: Configure) -> None:
    ran = run("status", "--state-dir", "state", cwd=tmp_path)
    assert ran.returncode == 69
    assert "no daemon is running" in ran.stderr
    assert "`edge-infer run`" in ran.stderr
    config = configure()
    with Daemon(tmp_path, "--config", config) as daemon:
        answers(tmp_path, works, "results")
        daemon.signal(signal.SIGKILL)
        daemon.ends(10.0)
    assert (tmp_path / "state/status.sock").is_socket()
    assert asked(tmp_path) == (69, {})
    with Daemon(tmp_path, "--config", config) as daemon:
        assert answers(tmp_path, works, "results")["pid"] == daemon.process.pid
        daemon.signal(signal.SIGTERM)
        assert daemon.ends(10.0) == 0
    assert not (tmp_path / "state/status.sock").exists()


def test_two_daemons_on_one_state_folder_are_both_shown(tmp_path: Path, configure: Configure) -> None:
    first, second = configure(), tmp_path / "second.yaml"
    second.write_text(first.read_text().replace("id: porch", "id: yard"))
    with Daemon(tmp_path, "--config", first):
        answers(tmp_path, works, "results")
        with Daemon(tmp_path, "--config", second) as daemon:
            daemon.says("another daemon uses this folder, too")
            until(lambda: run("status", "--config", "second.yaml", cwd=tmp_path).returncode == 0, what="the second")
            both = run("status", "--state-dir", "state", "--json", cwd=tmp_path)
            one = run("status", "--config", "second.yaml", "--json", cwd=tmp_path)
    assert sorted(json.loads(line)["device"] for line in both.stdout.splitlines()) == ["porch", "yard"]
    assert json.loads(one.stdout)["device"] == "yard"


def test_systemds_folder_is_open_to_everyone(tmp_path: Path, configure: Configure) -> None:
    runtime = tmp_path / "run/edge-infer-door"
    runtime.mkdir(parents=True)
    environ = environment() | {"RUNTIME_DIRECTORY": str(runtime)}
    process = subprocess.Popen(
        [*EDGE_INFER, "run", "--config", configure()],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until((runtime / "status.sock").is_socket, START_S, "the socket")
        until(lambda: stat.S_IMODE((runtime / "status.sock").stat().st_mode) == 0o666, what="its mode")
    finally:
        process.kill()
        process.wait(10.0)


class Terminal:
    """A command on a terminal of 80 x 24 without colours, and what it shows."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self._screen)
        self._master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [*EDGE_INFER, *arguments],
            cwd=folder,
            env=environment() | {"TERM": "vt100", "NO_COLOR": "1"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that ^C is a signal
        )
        self._terminal = terminal
        os.set_blocking(self._master, False)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    @property
    def modes(self) -> list[Any]:
        return termios.tcgetattr(self._terminal)

    def lines(self) -> list[str]:
        """What is on the screen now."""
        try:
            while said := os.read(self._master, 65536):
                self._stream.feed(said)
        except BlockingIOError:
            pass
        return [line.rstrip() for line in self._screen.display]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10.0)
        os.close(self._terminal)
        os.close(self._master)


@contextmanager
def terminal(folder: Path, *arguments: str) -> Iterator[Terminal]:
    opened = Terminal(folder, *arguments)
    try:
        yield opened
    finally:
        opened.close()


@pytest.mark.parametrize("key", [b"q", b"\x03"], ids=["q", "ctrl-c"])
def test_watching_redraws_in_place_until_a_key(tmp_path: Path, configure: Configure, key: bytes) -> None:
    with Daemon(tmp_path, "--config", configure()) as daemon:
        answers(tmp_path, works, "results")
        with terminal(tmp_path, "status", "--state-dir", "state", "--watch") as shown:
            before = shown.modes
            until(lambda: shown.lines()[0].startswith("porch  online"), START_S, "the screen")
            first = shown.lines()
            until(lambda: shown.lines() != first and shown.lines()[0].startswith("porch  online"), what="the next one")
            assert sum(line.startswith("porch") for line in shown.lines()) == 1, shown.lines()
            assert any(line.startswith("door") for line in shown.lines())
            daemon.signal(signal.SIGTERM)
            until(lambda: "no daemon is running" in shown.lines()[0], START_S, "the end of the daemon")
            assert not any(line.startswith("door") for line in shown.lines())
            shown.type(key)
            assert shown.process.wait(10.0) == 69
            assert shown.modes[3] & termios.ECHO == before[3] & termios.ECHO
            assert "Traceback" not in "\n".join(shown.lines())


def test_many_pipelines_fit_on_a_small_terminal(tmp_path: Path, configure: Configure, picture: Path) -> None:
    source = f"{{kind: still, uri: {picture}, fps: 2, size: [160, 120]}}"
    with Daemon(tmp_path, "--config", configure(**{f"gate{number}": source for number in range(20)})):
        answers(tmp_path, works, "results of all")
        with terminal(tmp_path, "status", "--state-dir", "state", "--watch") as shown:
            until(lambda: "more lines: this terminal is too small" in shown.lines()[22], START_S, "the last line")
            first = shown.lines()
            assert first[0].startswith("porch  online")
            until(lambda: shown.lines() != first and "more lines" in shown.lines()[22], START_S, "the next one")
            assert shown.lines()[0].startswith("porch  online")
            shown.type(b"q")
            assert shown.process.wait(10.0) == 0


def test_watching_without_a_terminal_is_refused(tmp_path: Path) -> None:
    ran = run("status", "--watch", cwd=tmp_path)
    assert ran.returncode == 64
    assert "--json" in ran.stderr


def test_prometheus_reads_a_daemon_and_a_taken_port_is_told(tmp_path: Path, configure: Configure) -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="needs prometheus-client")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = configure()
        config.write_text(config.read_text().replace("interval_s: 0.5", f"interval_s: 0.5, prometheus_port: {port}"))
        daemon = Daemon(tmp_path, "--config", config)
        with daemon:
            status = answers(tmp_path, lambda s: "prometheus" in s["reasons"], "the reason")
            assert f"127.0.0.1:{port}: Address already in use" in status["reasons"]["prometheus"]
            taken.close()
            answers(tmp_path, lambda s: works(s) and not s["reasons"], "the port")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20.0) as answer:
                families = {
                    family.name: family for family in parser.text_string_to_metric_families(answer.read().decode())
                }
    (frames,) = families["edge_infer_frames"].samples
    assert (frames.name, frames.labels) == ("edge_infer_frames_total", {"pipeline": "door"})
    assert frames.value > 0
    stages = {sample.labels["stage"] for sample in families["edge_infer_stage_duration_seconds"].samples}
    assert stages >= {"capture", "infer", "total"}


def test_an_accelerator_that_was_replaced_shows_what_happened(
    tmp_path: Path, configure: Configure, tpu: FakeTpu, model: Path
) -> None:
    if not model.with_name(f"{model.stem}_edgetpu.tflite").exists():
        pytest.skip("no model for the Edge TPU: set EDGE_INFER_TESTDATA")
    config = configure()
    config.write_text(config.read_text().replace("device: cpu", f"device: auto, delegate: {tpu.library}"))

    def coral(status: dict[str, Any]) -> dict[str, Any]:
        return dict(status["health"]["accelerators"].get("edgetpu", {"state": "", "faults": {}}))

    with Daemon(tmp_path, "--config", config):
        status = answers(tmp_path, lambda s: works(s) and coral(s)["state"] == "running", "the accelerator")
        assert status["health"]["pipelines"]["door"]["device"] == "edgetpu"
        tpu.fail("abort")
        answers(tmp_path, lambda s: coral(s)["faults"] and coral(s)["state"] == "running", "its replacement")
        after = answers(tmp_path, lambda s: s["health"]["children"], "its process")
        shown = run("status", "--state-dir", "state", cwd=tmp_path).stdout
    assert (coral(after)["faults"], coral(after)["started"]) == ({"crash": 1}, 2)
    assert re.search(r"^edgetpu +running +\d+ inferences +[\d.]+/[\d.]+ ms", shown, re.MULTILINE)
    assert "  faults: crash 1; 2 processes so far\n  the last fault: " in shown
