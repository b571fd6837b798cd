"""What a daemon says of itself, for Prometheus. Names and units: the naming practices of prometheus.io."""

import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import get_args
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from edge_infer.health.live import DaemonStatus
from edge_infer.health.stages import Histogram
from edge_infer.wire.machine import Hindrance, MachineHealth
from edge_infer.wire.payloads import OutboxHealth, PipelineHealth

# From what a Coral takes for a small model to a camera that hardly answers; seconds, cumulative.
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TURN_S = 0.25  # how soon a stop is noticed
READ_S = 2.0  # who asks and says nothing more is hung up on
STATES = ("online", "degraded", "stalled")

Stages = Mapping[str, Mapping[str, Histogram]]  # by pipeline and stage, since the start
Value = tuple[Mapping[str, str], float | None]  # labels, and a number


class Exporter:
    """Answers `GET /metrics` in a thread of its own, one request after the other."""

    def __init__(self, host: str, port: int, collect: Callable[[], tuple[DaemonStatus, Stages]]) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """
        registry = CollectorRegistry()
        registry.register(_Collector(collect))
        self.address = (host, port)
        self._server = _Server((host, port), _Handler)
        self._server.set_app(make_wsgi_app(registry))
        self._server.timeout = TURN_S
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prometheus", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more; a thread that hangs is left behind."""
        self._stopping.set()
        self._thread.join(TURN_S + READ_S + 1.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._server.handle_request()
        self._server.server_close()


class _Handler(WSGIRequestHandler):
    timeout = READ_S

    def log_message(self, format: str, *_arguments: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing: stderr is the log."""


class _Server(WSGIServer):
    def server_bind(self) -> None:
        """Bind without asking a name server for our name, as HTTPServer does."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    def handle_error(self, _request: object, _address: object) -> None:
        """Say nothing: whoever asked has hung up."""


class _Collector(Collector):
    def __init__(self, collect: Callable[[], tuple[DaemonStatus, Stages]]) -> None:
        self._collect = collect

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is is seen when it is asked for."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All metrics now."""
        status, stages = self._collect()
        yield from _daemon(status)
        yield from _pipelines(status.health.pipelines)
        yield from _durations(stages)
        yield from _machine(status.health.machine)
        yield from _accelerators(status)
        if status.health.outbox:
            yield from _outbox(status.health.outbox)


def _daemon(status: DaemonStatus) -> Iterator[Metric]:
    health, info = status.health, status.info
    about = {"device": status.device, "version": info.version, "runtime": info.runtime, "machine": info.machine}
    yield _gauge("info", "What it is", [(about | {"config_sha256": info.config_sha256}, 1)])
    yield _gauge("state", "1 for the state it is in", _one_of(STATES, status.state, {}))
    yield _gauge("trouble", "1 for each part that has a reason to be degraded", _each("part", status.reasons, 1))
    yield _gauge("start_time_seconds", "When it was started, since 1970", [({}, status.started)])
    yield _gauge("main_loop_stalled_seconds", "Since when nobody supervises", [({}, status.stalled_s or 0.0)])
    yield _gauge("clock_synced", "Whether times can be believed", [({}, float(health.clock == "synced"))])
    yield _gauge("resident_memory_bytes", "Of its process", [({}, health.rss_bytes)])
    yield _gauge("children_resident_memory_bytes", "Of its child processes", [({}, health.children_rss_bytes)])
    yield _gauge("children", "Its child processes", [({}, health.children)])
    yield _gauge("open_files", "Of its process", [({}, health.open_files)])
    yield _gauge("threads", "Of its process", [({}, health.threads)])
    if status.broker:
        yield _gauge("broker_connected", "Whether there is a connection", [({}, float(status.broker.connected))])
        yield _counter("broker_reconnects", "Connections made anew", [({}, health.reconnects)])


def _pipelines(pipelines: Mapping[str, PipelineHealth]) -> Iterator[Metric]:
    named = {name: {"pipeline": name} for name in pipelines}
    states = get_args(PipelineHealth.__annotations__["state"])
    yield _gauge(
        "pipeline_state",
        "1 for the state it is in",
        [one for name, p in pipelines.items() for one in _one_of(states, p.state, named[name])],
    )
    yield _gauge(
        "pipeline_device",
        "1 for the device in use",
        [(named[n] | {"device": p.device}, 1) for n, p in pipelines.items()],
    )
    yield _gauge(
        "frame_age_seconds", "Age of the newest frame", [(named[n], p.frame_age_s) for n, p in pipelines.items()]
    )
    for metric, attribute, meaning in (
        ("frames", "frames", "Frames that the source gave"),
        ("results", "results", "Results, those without an answer too"),
        ("events", "events", "Messages about what happened"),
        ("result_errors", "errors", "Results without an answer"),
        ("source_restarts", "source_restarts", "How often the source was opened anew"),
        ("infer_restarts", "infer_restarts", "How often the model was loaded anew"),
    ):
        yield _counter(metric, meaning, [(named[n], getattr(p, attribute)) for n, p in pipelines.items()])
    yield _counter(
        "dropped_frames",
        "Frames without a result, by cause",
        [(named[n] | {"cause": c}, count) for n, p in pipelines.items() for c, count in p.dropped.items()],
    )


def _durations(pipelines: Stages) -> Iterator[Metric]:
    metric = HistogramMetricFamily(
        "edge_infer_stage_duration_seconds", "How long a stage took", labels=["pipeline", "stage"]
    )
    for pipeline, stages in pipelines.items():
        for stage, histogram in stages.items():
            buckets = [(str(seconds), float(histogram.below(seconds * 1e3))) for seconds in BUCKETS_S]
            buckets.append(("+Inf", float(histogram.total)))
            metric.add_metric([pipeline, stage], buckets, histogram.sum_ms / 1e3)
    yield metric


def _machine(machine: MachineHealth) -> Iterator[Metric]:
    percent = machine.cpu_percent
    yield _gauge("machine_cpu_ratio", "Busy, of all cores", [({}, None if percent is None else percent / 100)])
    yield _gauge("machine_load1", "Average over a minute", [({}, machine.load[0] if machine.load else None)])
    yield _gauge("machine_temperature_celsius", "Of the processor", [({}, machine.temperature_c)])
    yield _gauge("machine_memory_bytes", "Of the machine", [({}, machine.memory_bytes)])
    yield _gauge("machine_memory_available_bytes", "Without swap", [({}, machine.memory_available_bytes)])
    yield _gauge("machine_disk_bytes", "Of the state folder's file system", [({}, machine.disk_bytes)])
    yield _gauge("machine_disk_free_bytes", "Of the state folder's file system", [({}, machine.disk_free_bytes)])
    if machine.throttling:
        now, before = machine.throttling.now, machine.throttling.since_boot
        names = get_args(Hindrance)
        yield _gauge("machine_throttled", "Now, by cause", [({"cause": n}, float(n in now)) for n in names])
        if before is not None:
            values = [({"cause": n}, float(n in before)) for n in names]
            yield _gauge("machine_throttled_since_boot", "By cause", values)
    yield _gauge(
        "machine_disk_life_used_ratio",
        "Of an eMMC, at most",
        [({"disk": d}, w.life_used_percent / 100) for d, w in machine.disk_wear.items() if w.life_used_percent],
    )
    for way, meaning in (("rx", "received"), ("tx", "sent")):
        for kind in ("bytes", "errors", "dropped"):
            values = [({"interface": n}, getattr(nic, f"{way}_{kind}")) for n, nic in machine.network.items()]
            yield _counter(f"machine_network_{way}_{kind}", f"{kind.capitalize()} {meaning}", values)


def _accelerators(status: DaemonStatus) -> Iterator[Metric]:
    found = [({"accelerator": name}, one) for name, one in status.health.accelerators.items()]
    states = ("starting", "running", "quarantined", "absent")
    yield _gauge(
        "accelerator_state", "1 for the state it is in", [v for n, a in found for v in _one_of(states, a.state, n)]
    )
    yield _counter("accelerator_starts", "Child processes started", [(n, a.started) for n, a in found])
    yield _counter(
        "accelerator_faults", "By kind", [(n | {"kind": kind}, c) for n, a in found for kind, c in a.faults.items()]
    )
    yield _counter("accelerator_invokes", "Inferences", [(n, a.invokes) for n, a in found])
    yield _gauge("accelerator_temperature_celsius", "Where it says", [(n, a.temperature_c) for n, a in found])


def _outbox(outbox: OutboxHealth) -> Iterator[Metric]:
    for name, meaning in (("waiting", "To be sent"), ("in_flight", "Not acknowledged yet"), ("stored", "On the disk")):
        yield _gauge(f"outbox_{name}_records", meaning, [({}, getattr(outbox, name))])
    yield _gauge("outbox_held_bytes", "What the caps count", [({}, outbox.held_bytes)])
    yield _gauge("outbox_oldest_seconds", "Age of the oldest of this start", [({}, outbox.oldest_s)])
    yield _counter("outbox_made_records", "Since the start", [({}, outbox.last_seq)])
    for name in ("acknowledged", "evicted", "resent"):
        yield _counter(f"outbox_{name}_records", "Since the start", [({}, getattr(outbox, name))])
    yield _counter("outbox_refused_messages", "By the broker", [({}, outbox.refused)])
    yield _counter("outbox_commits", "Transactions on the disk", [({}, outbox.commits)])
    yield _counter("outbox_written_bytes", "To the disk", [({}, outbox.written_bytes)])


def _one_of(states: Iterable[str], state: str, labels: Mapping[str, str]) -> list[Value]:
    return [({**labels, "state": one}, float(one == state)) for one in states]


def _each(label: str, names: Iterable[str], value: float) -> list[Value]:
    return [({label: name}, value) for name in names]


def _gauge(name: str, meaning: str, values: Iterable[Value]) -> Metric:
    return _filled(GaugeMetricFamily(f"edge_infer_{name}", meaning), values)


def _counter(name: str, meaning: str, values: Iterable[Value]) -> Metric:
    """The library appends `_total` to the name."""
    return _filled(CounterMetricFamily(f"edge_infer_{name}", meaning), values, "_total")


def _filled(metric: Metric, values: Iterable[Value], suffix: str = "") -> Metric:
    for labels, value in values:
        if value is not None:
            metric.add_sample(metric.name + suffix, dict(labels), value)
    return metric
