import socket
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import msgspec
import pytest
from statuses import CORAL, MACHINE, OUTBOX, a_status, complete
from waiting import until

pytest.importorskip("prometheus_client", reason="needs prometheus-client: pip install 'edge-infer[prometheus]'")

from prometheus_client.parser import text_string_to_metric_families

from edge_infer.health import prometheus
from edge_infer.health.live import DaemonStatus
from edge_infer.health.prometheus import BUCKETS_S, Exporter
from edge_infer.health.stages import Histogram
from edge_infer.tools.local_broker import free_port

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@contextmanager
def exported(status: DaemonStatus, stages: prometheus.Stages | None = None) -> Iterator[int]:
    port = free_port()
    exporter = Exporter("127.0.0.1", port, lambda: (status, stages or {}))
    try:
        yield port
    finally:
        exporter.close()


def scraped(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20.0) as answer:
        return str(answer.read().decode())


def samples(text: str) -> Samples:
    """As the library's own parser reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def read(status: DaemonStatus, stages: prometheus.Stages | None = None) -> Samples:
    with exported(status, stages) as port:
        return samples(scraped(port))


def test_a_daemon_and_its_pipelines_are_told() -> None:
    found = read(msgspec.structs.replace(complete(), state="degraded"))
    assert found["edge_infer_state", (("state", "degraded"),)] == 1
    assert found["edge_infer_state", (("state", "online"),)] == 0
    assert found["edge_infer_trouble", (("part", "door"),)] == 1
    assert found["edge_infer_start_time_seconds", ()] == 1.0
    assert found["edge_infer_resident_memory_bytes", ()] == 91_234_567
    assert found["edge_infer_broker_connected", ()] == 1
    assert found["edge_infer_broker_reconnects_total", ()] == 6
    door = (("pipeline", "door"),)
    assert found["edge_infer_frames_total", door] == 12
    assert found["edge_infer_results_total", door] == 11
    assert found["edge_infer_result_errors_total", door] == 1
    assert found["edge_infer_source_restarts_total", door] == 2
    assert found["edge_infer_infer_restarts_total", door] == 3
    assert found["edge_infer_dropped_frames_total", (("cause", "rate"), *door)] == 4
    assert found["edge_infer_pipeline_state", (*door, ("state", "running"))] == 1
    assert found["edge_infer_pipeline_device", (("device", "edgetpu:usb"), *door)] == 1


def test_what_is_not_known_is_left_out_and_never_0() -> None:
    found = {name for name, _ in read(a_status())}
    assert not [name for name in found if "machine" in name or "outbox" in name or "accelerator" in name]
    assert not found & {"edge_infer_children_resident_memory_bytes", "edge_infer_broker_connected"}


def test_the_machine_is_told_in_base_units() -> None:
    found = read(a_status(machine=MACHINE))
    assert found["edge_infer_machine_cpu_ratio", ()] == 0.25
    assert found["edge_infer_machine_temperature_celsius", ()] == 61.3
    assert found["edge_infer_machine_memory_available_bytes", ()] == 2_100_000_000
    assert found["edge_infer_machine_disk_free_bytes", ()] == 21_400_000_000
    assert found["edge_infer_machine_throttled", (("cause", "under_voltage"),)] == 1
    assert found["edge_infer_machine_throttled", (("cause", "throttled"),)] == 0
    assert found["edge_infer_machine_throttled_since_boot", (("cause", "throttled"),)] == 1
    assert found["edge_infer_machine_disk_life_used_ratio", (("disk", "mmcblk0"),)] == 0.2
    assert found["edge_infer_machine_network_tx_bytes_total", (("interface", "eth0"),)] == 20
    assert found["edge_infer_machine_network_rx_errors_total", (("interface", "eth0"),)] == 1


def test_accelerators_and_the_outbox_are_told() -> None:
    found = read(a_status(accelerators={"edgetpu:usb:0": CORAL}, outbox=OUTBOX))
    coral = ("accelerator", "edgetpu:usb:0")
    assert found["edge_infer_accelerator_state", (coral, ("state", "quarantined"))] == 1
    assert found["edge_infer_accelerator_faults_total", (coral, ("kind", "hang"))] == 2
    assert found["edge_infer_outbox_waiting_records", ()] == 2
    assert found["edge_infer_outbox_acknowledged_records_total", ()] == 4
    assert found["edge_infer_outbox_oldest_seconds", ()] == 7.5
    assert ("edge_infer_outbox_written_bytes_total", ()) not in found


def test_stages_are_histograms_that_can_be_added_up() -> None:
    histogram = Histogram()
    for ms in (0.5, 3.0, 3.0, 700.0, 50_000.0):
        histogram.add(ms)
    found = read(a_status(), {"door": {"infer": histogram}})
    labels = (("pipeline", "door"), ("stage", "infer"))
    name = "edge_infer_stage_duration_seconds"
    buckets = [found[f"{name}_bucket", (("le", str(limit)), *labels)] for limit in BUCKETS_S]
    assert buckets == [1, 1, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4]
    assert found[f"{name}_bucket", (("le", "+Inf"), *labels)] == found[f"{name}_count", labels] == 5
    assert found[f"{name}_sum", labels] == pytest.approx(50.7065)


def test_each_name_and_unit_is_one_that_prometheus_recommends() -> None:
    with exported(complete()) as port:
        families = list(text_string_to_metric_families(scraped(port)))
    assert len(families) > 50
    for family in families:
        assert family.name.startswith("edge_infer_")
        assert family.documentation
        assert not family.name.endswith(("_ms", "_percent", "_kb", "_mb", "_minutes"))


def test_who_connects_and_asks_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus._Handler, "timeout", 0.2)
    with exported(a_status()) as port, ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 20.0)) for _ in range(2)]
        assert "edge_infer_info" in scraped(port)
        until(lambda: all(one.recv(1) == b"" for one in silent), what="the end of both")


def test_an_address_that_is_taken_is_told() -> None:
    with exported(a_status()) as port, pytest.raises(OSError, match="Address already in use"):
        Exporter("127.0.0.1", port, lambda: (a_status(), {}))
