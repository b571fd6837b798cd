"""docs/health.md names each key of the answers and each metric, and nothing else."""

import re
from pathlib import Path

import pytest
from statuses import complete

from edge_infer.health.live import BrokerStatus, DaemonStatus
from edge_infer.wire.machine import AcceleratorHealth, DiskWear, Hindrance, MachineHealth, NetworkHealth, Throttling
from edge_infer.wire.payloads import Health, PipelineHealth, StageHealth

PAGE = (Path(__file__).resolve().parents[1] / "docs/health.md").read_text()
EXPLAINED_ELSEWHERE = {"device", "epoch", "boot", "schema", "time"}  # of every message: docs/wire.md
KINDS = [AcceleratorHealth, BrokerStatus, DaemonStatus, DiskWear, Health, MachineHealth, NetworkHealth, PipelineHealth]


@pytest.mark.parametrize("kind", [*KINDS, StageHealth, Throttling], ids=lambda kind: kind.__name__)
def test_each_key_is_explained(kind: type) -> None:
    names = re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", PAGE)))
    for field in kind.__struct_fields__:  # type: ignore[attr-defined]
        parts = (field.partition("_")[0] + "_", field.partition("_")[2])
        is_there = field in names or (kind is NetworkHealth and set(parts) <= set(names))
        assert is_there or field in EXPLAINED_ELSEWHERE, f"{kind.__name__}.{field} is not in docs/health.md"


def test_each_hindrance_is_named() -> None:
    for hindrance in Hindrance.__args__:  # type: ignore[attr-defined]
        assert f"`{hindrance}`" in PAGE


def test_each_metric_is_named_and_each_name_is_a_metric() -> None:
    pytest.importorskip("prometheus_client", reason="needs prometheus-client: pip install 'edge-infer[prometheus]'")
    from edge_infer.health import prometheus

    collected = prometheus._Collector(lambda: (complete(), {})).collect()
    metrics = {metric.name + "_total" * (metric.type == "counter") for metric in collected}
    rows = re.findall(r"^\| (`.*?) \|", PAGE.split("each after `edge_infer_`")[1], re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert documented == {name.removeprefix("edge_infer_") for name in metrics}
    for asked in re.findall(r"edge_infer_(\w+?)(?:_bucket)?[\[{]", PAGE):
        assert asked in documented
