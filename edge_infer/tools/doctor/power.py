"""Power and heat: what makes a Raspberry Pi slow, and Edge TPUs and cameras fall off the bus."""

from collections.abc import Iterator
from pathlib import Path

from edge_infer.health.hardware import disk_wear, edge_tpu_temperature_c, temperature_c, throttling
from edge_infer.tools.doctor.finding import Finding, ok, skip, warn

# Source: Raspberry Pi documentation, frequency management: it slows down softly from 60 (3B+) or 80, hard at 85.
HOT_C = 80.0
TPU_HOT_C = 85.0  # Source: Coral's apex driver, trip_point0_temp: its clock is lowered from here on
WORDS = {
    "under_voltage": "under-voltage",
    "frequency_capped": "the clock is capped",
    "throttled": "throttled",
    "soft_temperature_limit": "soft temperature limit",
}
SUPPLY = (
    "use the board's own power supply (5 V, 3 A; a Pi 5: 5 A) and a short thick cable, and give a Coral or disk a "
    "powered hub"
)
COOL = "give it a heat sink, a fan, or air"


def check_power(root: Path = Path("/")) -> Iterator[Finding]:
    """Under-voltage and throttling, now and since the boot."""
    found = throttling(root)
    if found is None:
        yield skip("power", "this machine does not say whether its voltage drops")
        return
    now, before = found.now, tuple(name for name in found.since_boot or () if name not in found.now)
    if not now and not before:
        yield ok(
            "power",
            "no under-voltage or throttling since the boot" if found.since_boot is not None else "no under-voltage now",
        )
        return
    said = [f"now: {_named(now)}"] if now else []
    said += [f"since the boot: {_named(before)}"] if before else []
    yield warn("power", "; ".join(said), SUPPLY if "under_voltage" in now + before else COOL, "vcgencmd get_throttled")


def check_temperature(root: Path = Path("/")) -> Iterator[Finding]:
    """Heat of the processor and of Edge TPUs on PCIe."""
    found = [("processor", temperature_c(root), HOT_C)]
    found += [(f"Edge TPU {n}", edge_tpu_temperature_c(n, root), TPU_HOT_C) for n in range(len(_apexes(root)))]
    known = [(name, degrees, limit) for name, degrees, limit in found if degrees is not None]
    described = ", ".join(f"{name} {degrees:.0f} °C" for name, degrees, _ in known)
    if not known:
        yield skip("temperature", "this machine has no sensor that can be read")
    elif any(degrees >= limit for _, degrees, limit in known):
        yield warn("temperature", f"{described}: it slows itself down", COOL)
    else:
        yield ok("temperature", described)


def check_wear(root: Path = Path("/")) -> Iterator[Finding]:
    """How worn an eMMC is; SD cards do not say."""
    worn = {name: wear for name, wear in disk_wear(root).items() if wear.spare_blocks in ("warning", "urgent")}
    worn |= {name: wear for name, wear in disk_wear(root).items() if (wear.life_used_percent or 0) >= 90}
    for name, wear in worn.items():
        used = f", {wear.life_used_percent} % of its life is used" if wear.life_used_percent else ""
        yield warn(
            f"disk {name}",
            f"it wears out: spare blocks {wear.spare_blocks or 'unknown'}{used}",
            "copy what it holds, and plan for another board; `outbox.durability: relaxed` writes less",
        )


def _apexes(root: Path) -> list[Path]:
    return sorted((root / "sys/class/apex").glob("apex_*"))


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(WORDS.get(name, name) for name in names)
