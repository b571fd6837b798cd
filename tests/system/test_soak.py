"""A daemon whose accelerator fails every five seconds, beside two pipelines that have nothing to do with it."""

import itertools
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from broker import Mosquitto, Subscriber
from command import REPOSITORY, START_S, Daemon
from fake_tpu import FakeTpu, owners
from waiting import until

FAULTS = ("hang", "abort", "segfault", "error", "exit", "unplug")
EVERY_S = 5.0
CALM_S = 20.0  # without faults, to compare with
FPS = 10
CONFIGURATION = """version: 1
device: {{id: soak, state_dir: state}}
mqtt: {{url: '{url}'}}
health: {{interval_s: 1}}
pipelines:
  accelerated: {{source: &source {{kind: still, uri: {model}/sample.jpg, fps: {fps}}}, model: {{path: {model},
    device: external, delegate: {library}, delegate_options: {{device: usb}}}}}}
  yard: {{source: {{kind: still, uri: {model}/sample.jpg, fps: {fps}}}, model: {{path: {model}, device: cpu}}}}
  garden: {{source: {{kind: still, uri: {model}/sample.jpg, fps: {fps}}}, model: {{path: {model}, device: cpu}}}}
"""


class Soak:
    """A daemon under faults: what it published, and what it held meanwhile."""

    def __init__(self, daemon: Daemon, tpu: FakeTpu, heard: Subscriber) -> None:
        self.faults: Counter[str] = Counter()
        self.seqs: list[int] = []
        self.answers: list[tuple[str, int, str]] = []  # pipeline, frame, status
        self.memory: list[float] = []  # MB of the daemon and its children, each second
        self.files: list[int] = []
        self._process = psutil.Process(daemon.process.pid)
        self._tpu = tpu
        self._heard = heard
        self._counted = 0  # messages
        self._results: Counter[str] = Counter()

    def watch(self, seconds: float) -> dict[str, float]:
        """Look on; returns results a second by pipeline."""
        before, started = self.results(), time.monotonic()
        while time.monotonic() - started < seconds:
            self.look()
            time.sleep(1.0)  # a sample a second: nothing is waited for
        elapsed = time.monotonic() - started
        return {name: (count - before[name]) / elapsed for name, count in self.results().items()}

    def fail(self, how: str) -> None:
        """Make the accelerator fail, and wait until it has."""
        if how == "unplug":
            self._tpu.unplug()
            time.sleep(0.5)  # so long it is out
            self._tpu.plug_in()
        else:
            self._tpu.fail(how)
            until(lambda: self._tpu.has_failed, 20.0, how)
        self.faults[how] += 1

    def look(self) -> None:
        """Note memory and open files."""
        family = [self._process, *self._process.children(recursive=True)]
        sizes = []
        for member in family:
            try:
                sizes.append(member.memory_info().rss / 1e6)
            except psutil.NoSuchProcess:  # killed a moment ago
                continue
        self.memory.append(sum(sizes))
        self.files.append(self._process.num_fds())

    def results(self) -> Counter[str]:
        """How many came so far, by pipeline."""
        for message in self._heard.heard[self._counted :]:
            self._counted += 1
            if "/results/" in message.topic:
                said = message.said
                pipeline = message.topic.rpartition("/")[2]
                self._results[pipeline] += len(said["results"])
                for number, result in enumerate(said["results"]):
                    self.seqs.append(said["first_seq"] + number)
                    if "frame" in result:  # else it is the history of the device's health
                        self.answers.append((pipeline, result["frame"], result["status"]))
        return self._results.copy()


def third(values: list[float] | list[int], number: int) -> float:
    """The median of the first (0) or last (2) third."""
    size = len(values) // 3
    return statistics.median(values[number * size : (number + 1) * size])


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(160, marks=pytest.mark.timeout(400)),
        pytest.param(1800, marks=[pytest.mark.slow, pytest.mark.timeout(2400)]),
    ],
)
def test_an_accelerator_that_fails_every_five_seconds_costs_the_rest_nothing(
    seconds: int, tmp_path: Path, tpu: FakeTpu, monkeypatch: pytest.MonkeyPatch, measured: Callable[[str], None]
) -> None:
    monkeypatch.setenv("FAKE_EDGETPU_CLAIM", "all")
    with Mosquitto(tmp_path) as broker, Subscriber(broker.port) as heard:
        model = REPOSITORY / "models/face-detection"
        text = CONFIGURATION.format(url=broker.url, model=model, library=tpu.library, fps=FPS)
        (tmp_path / "config.yaml").write_text(text)
        with Daemon(tmp_path, "--config", "config.yaml") as daemon:
            until(lambda: len(heard.on("/latest/accelerated")) > 0 and len(heard.on("/latest/garden")) > 0, START_S)
            soak = Soak(daemon, tpu, heard)
            calm = soak.watch(CALM_S)
            soak.memory, soak.files = [], []
            deadline = time.monotonic() + seconds
            rates = []
            for fault in itertools.cycle(FAULTS):
                if time.monotonic() > deadline:
                    break
                soak.fail(fault)
                rates.append(soak.watch(EVERY_S))
            assert len(owners(daemon.process.pid)) == 2
            daemon.process.terminate()
            assert daemon.ends(20.0) == 0
        soak.results()
    growth = third(soak.memory, 2) - third(soak.memory, 0)
    files = third(soak.files, 2) - third(soak.files, 0)
    for name in ("yard", "garden"):
        rate = statistics.mean(each[name] for each in rates)
        measured(f"soak: {name} beside the faults: {rate:.2f} fps, {rate / calm[name] - 1:+.1%} of the calm before")
    measured(
        f"soak: {sum(soak.faults.values())} faults in {seconds} s, {len(soak.seqs)} results: RSS of all processes "
        f"{third(soak.memory, 0):.1f} MB at first, {growth:+.1f} MB at last; open files {files:+.0f}"
    )
    assert sorted(soak.seqs) == list(range(1, len(soak.seqs) + 1))
    assert len({answer[:2] for answer in soak.answers}) == len(soak.answers)
    assert {status for _, _, status in soak.answers} == {"ok", "degraded"}
    assert {pipeline for pipeline, _, status in soak.answers if status == "degraded"} == {"accelerated"}
    assert files <= 1
    assert growth < 5.0
