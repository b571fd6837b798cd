"""Which of the settings that were measured is the best, and why."""

from edge_infer.plan.points import Point, ranked, why_best


def point(threads: int, workers: int, p90_ms: float, fps: float, memory_bytes: int = 10, device: str = "cpu") -> Point:
    return Point(
        device=device,
        threads=threads,
        workers=workers,
        p50_ms=p90_ms * 0.9,
        p90_ms=p90_ms,
        infer_p90_ms=p90_ms * 0.8,
        is_bound=True,
        frames=100,
        fps=fps,
        cpu_ms=1.0,
        memory_bytes=memory_bytes,
        accelerators=0 if device == "cpu" else 1,
    )


def test_latency_is_the_lowest_p90_of_one_worker() -> None:
    points = [point(1, 1, 10.0, 100), point(2, 1, 6.0, 160), point(1, 2, 3.0, 190)]
    assert ranked(points, "latency") == [points[1], points[0]]
    assert why_best(points, "latency") == "lowest p90"


def test_throughput_is_the_most_frames() -> None:
    points = [point(1, 1, 10.0, 100), point(2, 1, 6.0, 160), point(1, 2, 11.0, 190)]
    assert ranked(points, "throughput") == points[::-1]
    assert why_best(points, "throughput") == "most frames a second"


def test_of_two_that_noise_cannot_tell_apart_the_one_that_takes_less_wins() -> None:
    points = [point(1, 1, 10.4, 186), point(2, 1, 10.0, 190), point(4, 1, 10.9, 187)]
    assert ranked(points, "latency")[0] is points[0]
    assert why_best(points, "latency") == "p90 within 10% of the lowest (10.00 ms), and takes less"
    assert ranked(points, "throughput")[0] is points[0]
    assert why_best(points, "throughput") == "within 5% of the most (190.0 a second), and takes less"


def test_an_accelerator_keeps_no_core_busy() -> None:
    points = [point(1, 1, 10.0, 100), point(1, 1, 10.2, 99, device="edgetpu:usb")]
    assert ranked(points, "latency")[0].device == "edgetpu:usb"
