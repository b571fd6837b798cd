"""Reports as `edge-infer bench --json` writes them."""

from edge_infer.tools.bench.record import (
    Curve,
    Delegated,
    Figure,
    MachineFacts,
    ModelFacts,
    ModelReport,
    Outcome,
    Power,
    Report,
    Series,
    Settings,
)

MACHINE = MachineFacts(
    board="Raspberry Pi 5 Model B Rev 1.0",
    processor="Cortex-A76",
    arch="aarch64",
    cores=4,
    memory_bytes=8 * 2**30,
    system="Debian GNU/Linux 12 (bookworm)",
    kernel="6.6.31",
    governor="ondemand",
    load=0.1,
    temperature_c=48.0,
    throttled_now=(),
    throttled_since_boot=(),
    runtime="ai_edge_litert 2.3.0",
    python="3.11.2",
    numpy="2.4.0",
    opencv="5.0.0",
    edge_infer="0.1.0",
    commit="abcdef012345",
    outbox_on="ext4",
    broker="mosquitto version 2.0.11",
)


def figure(*rounds: float, unit: str = "fps", value: float | None = None) -> Figure:
    """A figure of these rounds."""
    middle = sorted(rounds)[len(rounds) // 2] if rounds else None
    better = "higher" if unit in ("fps", "x") else "lower"
    return Figure(value=middle if value is None else value, unit=unit, better=better, rounds=rounds)


def report(*outcomes: Outcome, name: str = "<model>") -> Report:
    """One of a Raspberry Pi, about one model."""
    facts = ModelFacts(
        sha256="ab" * 32,
        bytes=4_000_000,
        task="detect",
        device="cpu",
        graph=Delegated(operators=64, delegated=63, parts=2),
        inputs=("1x300x300x3 uint8",),
        shown="8 pictures 640x480, noise with edges",
    )
    return Report(
        date="2026-01-01T00:00:00+00:00",
        seconds=60.0,
        settings=Settings(scenarios=tuple(outcome.scenario for outcome in outcomes)),
        machine=MACHINE,
        throttled=(),
        temperature_end_c=61.0,
        power=Power(method="hwmon ina219/power1", idle_w=2.5, idle_s=10.0),
        models=(ModelReport(model=name, facts=facts, outcomes=outcomes),),
    )


def live(*latencies_ms: float) -> Outcome:
    """What `live` finds."""
    few = Figure(value=None, unit="ms", better="lower", n=100, reason="needs 662 samples, has 100")
    latency = {"p50": figure(*latencies_ms, unit="ms"), "p90": figure(*latencies_ms, unit="ms"), "p99": few}
    added = {f"added {name}": one for name, one in latency.items()}
    spread = Curve(n=100, thousandths_ms=tuple(5 + 0.01 * k for k in range(1001)))
    return Outcome(
        scenario="live",
        about="from capture to a subscriber",
        figures=latency | added,
        stages_ms={"prepare": 1.0, "infer": 23.0, "publish & the rest": 2.0},
        curves={"latency": spread, "added": spread},
    )


def sustained() -> Outcome:
    """What `--minutes` finds, where a sensor has failed once."""
    return Outcome(
        scenario="sustained",
        about="at full load",
        figures={"fps": figure(30, 29, 28), "peak RSS": Figure(value=104.2, unit="MB")},
        series={
            "results": Series(unit="fps", at_s=(10, 20, 30), values=(30, 29, 28)),
            "temperature": Series(unit="°C", at_s=(0, 10, 20, 30), values=(48, None, 60.5, 61)),
        },
    )
