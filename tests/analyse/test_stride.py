import pytest

from edge_infer.analyse.gate_settings import StrideGate
from edge_infer.analyse.stride import Stride


def causes(stride: Stride, count: int, *, live: bool = True) -> list[str]:
    return [stride.refuses(live=live) for _ in range(count)]


@pytest.mark.parametrize("every", [1, 2, 5])
def test_every_nth_frame_is_looked_at_and_the_first_too(every: int) -> None:
    said = causes(Stride(StrideGate(every=every)), 20)
    assert [number for number, cause in enumerate(said) if not cause] == list(range(0, 20, every))
    assert set(said) <= {"", "stride"}


def test_strain_doubles_the_stride_and_calm_halves_it() -> None:
    stride = Stride(StrideGate(max_load=0.8, most=4))
    steps = []
    for load in (0.9, 0.95, 0.9, 0.7, 0.5, 0.5, 0.5):
        stride.feel(load, None, throttled=False)
        steps.append((stride.n, stride.strain))
    assert steps == [(2, "busy"), (4, "busy"), (4, "busy"), (4, "busy"), (2, "busy"), (1, ""), (1, "")]


def test_heat_is_named_and_its_limit_is_left_with_a_margin() -> None:
    stride = Stride(StrideGate(max_temp_c=75.0))
    for degrees, n in ((76.0, 2), (74.0, 2), (71.0, 2), (69.0, 1)):
        stride.feel(0.1, degrees, throttled=False)
        assert stride.n == n
    stride.feel(0.1, 60.0, throttled=True)
    assert (stride.n, stride.strain) == (2, "hot")


def test_what_nobody_measures_strains_nobody() -> None:
    stride = Stride(StrideGate(max_load=0.5, max_temp_c=60.0))
    stride.feel(None, None, throttled=False)
    assert stride.n == 1
    calm = Stride(StrideGate())
    calm.feel(1.0, 99.0, throttled=True)
    assert calm.n == 1


def test_frames_are_counted_with_what_left_them_out() -> None:
    stride = Stride(StrideGate(every=2, max_load=0.5))
    stride.feel(0.9, None, throttled=False)
    assert causes(stride, 8) == ["", "stride", "busy", "busy"] * 2


def test_a_file_knows_no_strain() -> None:
    stride = Stride(StrideGate(every=2, max_load=0.5))
    for _ in range(4):
        stride.feel(0.9, None, throttled=False)
    assert causes(stride, 4, live=False) == ["", "stride"] * 2
