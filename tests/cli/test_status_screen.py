import msgspec
import pytest
from statuses import CORAL, HEALTH, a_status, complete

from edge_infer.cli.status_screen import render


def test_all_that_is_known_is_shown() -> None:
    shown = "\n".join(render(complete()))
    for part in (
        "porch  stalled  since ",
        "(2 d 7 h)  edge-infer 1.2.3  pid 4711",
        "! the main loop has not turned for 1 h 6 min: nothing is supervised",
        "! door: no frame for 5 s",
        "10.0/10.0      2.0/3.0/104       12.3/110/1234\n",
        "  errors 1, source restarts 2, model restarts 3, dropped: overrun 1, rate 4\n",
        "  not on the accelerator: no Edge TPU is plugged in\n",
        "edgetpu:usb:0 quarantined, again in 5 s  99 inferences  4.0/5.1 ms  limit 1.2 s  48 C\n",
        "  faults: crash 1, hang 2; 3 processes so far\n  the last fault: it gave no answer for 1.2 s\n",
        "connected to mqtt://broker.local  6 reconnects",
        "2 wait  the oldest 8 s  1 given up  5 refused  3 in flight  4 acknowledged by the collector  1.2 MB held",
        "cpu 25 % of 4 cores  load 0.50  61 C  memory 2.1/3.8 GB free  disk 21.4/31.0 GB free",
        "slowed down  now: under voltage  since boot: under voltage, throttled",
        "mmcblk0  20 % of its life used  spare blocks: normal",
        "91.2 MB  14 files  9 threads  2 children 47.3 MB  grows +1.5 MB/h, +0.0 files/h\n",
        "clock     not synchronised",
        "/etc/c.yaml  state in /var/lib/edge-infer",
    ):
        assert part in shown, f"{part!r} is not in\n{shown}"


def test_what_is_not_known_is_not_made_up() -> None:
    shown = "\n".join(render(a_status()))
    assert "cpu ? % of ? cores  memory ?  disk ?\n" in shown
    assert "broker    none is configured" in shown
    assert "no configuration file" in shown
    for part in ("outbox", "slowed down", "grows", "children", " C\n", "None"):
        assert part not in shown


def test_the_table_stands_in_columns_of_80() -> None:
    lines = render(complete())
    head = next(line for line in lines if line.startswith("pipeline"))
    door, yard = (next(line for line in lines if line.startswith(name)) for name in ("door", "yard"))
    assert len(head) == len(door) == len(yard) <= 80
    assert head.index("state") == door.index("running") == yard.index("lost")
    assert yard.endswith(" -")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "(0 s)"),
        (59.4, "(59 s)"),
        (60.0, "(1 min)"),
        (3599.0, "(59 min)"),
        (86_399.0, "(23 h 59 min)"),
        (9e6, "(104 d 4 h)"),
    ],
)
def test_durations_are_coarse(seconds: float, text: str) -> None:
    health = msgspec.structs.replace(HEALTH, uptime_s=seconds)
    assert text in render(msgspec.structs.replace(a_status(), health=health))[0]


def test_an_accelerator_that_has_done_nothing_is_shown() -> None:
    fresh = msgspec.structs.replace(
        CORAL, state="starting", invokes=0, p50_ms=None, p99_ms=None, deadline_s=None, retry_in_s=None,
        temperature_c=None, faults={}, last_fault=None,
    )  # fmt: skip
    lines = render(a_status(accelerators={"edgetpu": fresh}))
    assert "edgetpu   starting  0 inferences" in lines
