"""Industrial I/O devices from a tree of files; tests/camera_vm has one of the kernel."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iio_tree import ACCELEROMETER, WEATHER, buffered, device, record

from edge_infer.errors import SourceError
from edge_infer.sources.iio import IioSource
from edge_infer.sources.iio_buffer import IioBuffer
from edge_infer.sources.iio_device import find_iio, list_iio
from edge_infer.sources.iio_scan import Element, decode, element, places
from edge_infer.sources.sensor_devices import list_serial
from edge_infer.sources.source import EndOfStream
from edge_infer.testing import check_source

G = 9.80665


@pytest.fixture
def root(tmp_path: Path) -> Path:
    device(tmp_path, 0, ACCELEROMETER)
    device(tmp_path, 3, WEATHER)
    return tmp_path


def test_a_polled_sensor_is_a_source(root: Path) -> None:
    check_source(lambda: IioSource("mpu6050", rate_hz=200.0, root=root))


def test_raw_numbers_become_real_values_in_the_units_of_the_kernels_document(root: Path) -> None:
    with IioSource("0", rate_hz=1000.0, root=root) as source:
        frame = source.read()
    assert frame.span is not None
    found = dict(zip(frame.span.channels, zip(frame.data[0].tolist(), frame.span.units, strict=True), strict=True))
    assert {name: unit for name, (_, unit) in found.items()} == {
        "accel_x": "m/s^2",
        "accel_y": "m/s^2",
        "accel_z": "m/s^2",
        "anglvel_x": "rad/s",
        "temp": "degC",
    }
    assert [found[name][0] for name in ("accel_x", "accel_y", "accel_z")] == pytest.approx([-G, 0, G], abs=1e-3)
    assert found["anglvel_x"][0] == pytest.approx(math.radians(6.1), abs=1e-3)
    assert found["temp"][0] == pytest.approx((12420 - 1000) * 2.941176 / 1000)
    assert frame.span.rate_hz == 1000.0


def test_values_that_the_driver_has_converted_and_scales_of_one_or_all_channels(root: Path) -> None:
    wanted = ("temp", "pressure", "humidityrelative", "voltage0", "voltage1", "voltage0-voltage1", "proximity")
    with IioSource("attic", channels=wanted, rate_hz=1000.0, root=root) as source:
        frame = source.read()
    assert frame.span is not None
    assert frame.span.channels == wanted
    assert frame.span.units == ("degC", "kPa", "%", "V", "V", "V", "")
    assert frame.data[0].tolist() == pytest.approx([21.5, 101.325, 45.123, 0.05, 0.2, 0.021, 12.0])


@pytest.mark.parametrize("which", ["3", "bme280", "attic", "iio:device3", "/dev/iio:device3"])
def test_a_device_is_found_by_its_number_its_name_and_its_label(root: Path, which: str) -> None:
    assert find_iio(which, root).number == 3


def test_a_zero_byte_that_the_kernel_adds_is_no_part_of_a_text(tmp_path: Path) -> None:
    device(tmp_path, 0, {"name": "lis3dh\n\0"})
    assert find_iio("lis3dh", tmp_path).name == "lis3dh"


def test_devices_that_are_not_there_or_share_a_name_are_errors_that_list_those_that_are(root: Path) -> None:
    with pytest.raises(SourceError, match=r"no IIO device adxl; this machine has iio:device0 \(mpu6050\), iio:device3"):
        IioSource("adxl", root=root)
    device(root, 12, ACCELEROMETER)
    with pytest.raises(SourceError, match="2 IIO devices are called mpu6050: name one by number or label: iio"):
        IioSource("mpu6050", root=root)
    with pytest.raises(SourceError, match=r"has no channel gyro; it has accel_x, accel_y"):
        IioSource("0", channels=("gyro",), root=root)
    assert [found.number for found in list_iio(root)] == [0, 3, 12]
    assert list_iio(root / "nowhere") == []


def test_readings_follow_what_the_chip_measures(root: Path) -> None:
    with IioSource("0", channels=("accel_z",), rate_hz=1000.0, root=root) as source:
        source.read()
        device(root, 0, {"in_accel_z_raw": "0"})
        assert source.read().data[0, 0] == 0.0


def test_a_bus_that_brings_nothing_is_an_error_and_what_it_did_not_bring_is_counted(root: Path) -> None:
    with IioSource("0", channels=("accel_x", "accel_z"), rate_hz=1000.0, timeout_s=0.005, root=root) as source:
        source.read()
        device(root, 0, {"in_accel_z_raw": "failed"})
        np.testing.assert_array_equal(np.isnan(source.read().data), [[False, True]])
        device(root, 0, {"in_accel_x_raw": "failed"})
        with pytest.raises(SourceError, match="gives no readings: check its wiring"):
            source.read()
    assert source.skipped == {"corrupt": 5}


def test_a_polled_read_that_waits_ends_when_it_is_interrupted(root: Path) -> None:
    with IioSource("0", rate_hz=0.001, root=root) as source:
        source.read()
        source.interrupt()
        with pytest.raises(EndOfStream):
            source.read()


@st.composite
def numbers(draw: st.DrawFn) -> tuple[bool, bool, int, int, int]:
    """Big-endian, signed, bits stored, bits that count, by how much they are shifted."""
    stored = draw(st.sampled_from([8, 16, 24, 32, 64]))
    bits = draw(st.integers(1, stored))
    return draw(st.booleans()), draw(st.booleans()), stored, bits, draw(st.integers(0, stored - bits))


@settings(max_examples=40)
@given(st.lists(numbers(), min_size=1, max_size=4), st.data())
def test_records_are_read_as_they_were_written(
    kinds: list[tuple[bool, bool, int, int, int]], data: st.DataObject
) -> None:
    elements = []
    for index, (big, signed, stored, bits, shift) in enumerate(kinds):
        said = f"{'be' if big else 'le'}:{'s' if signed else 'u'}{bits}/{stored}>>{shift}"
        found = element(f"c{index}", index, said)
        assert isinstance(found, Element)
        elements.append(found)
    begins, size = places(elements)
    rows = data.draw(st.integers(1, 3))
    blob, expected = bytearray(data.draw(st.binary(min_size=rows * size, max_size=rows * size))), []
    for row in range(rows):
        for one, begin in zip(elements, begins, strict=True):
            assert begin % one.size == 0
            low = -(1 << (one.bits - 1)) if one.signed else 0
            value = data.draw(st.integers(low, low + (1 << one.bits) - 1))
            place = slice(row * size + begin, row * size + begin + one.size)
            order = "big" if one.big_endian else "little"
            word = int.from_bytes(blob[place], order)  # what lies around the number stays
            mask = ((1 << one.bits) - 1) << one.shift
            word = word & ~mask | (value << one.shift) & mask
            blob[place] = word.to_bytes(one.size, order)
            expected.append(value if one.signed or one.bits < 64 else (value + 2**63) % 2**64 - 2**63)
    decoded = decode(bytes(blob), elements)
    assert [int(decoded[one.name][row]) for row in range(rows) for one in elements] == expected


@pytest.mark.parametrize("said", ["le:s32/32X4>>0", "le:f32/32>>0", "le:s12/12>>0", "", "be:u0/8>>0"])
def test_what_is_not_one_whole_number_is_left_out(said: str) -> None:
    assert element("odd", 0, said) is None


@contextmanager
def opened(pipe: Path, root: Path, **options: object) -> Iterator[tuple[IioBuffer, int]]:
    """The source, and the end of its pipe to write to."""
    with IioBuffer("lis3dh", root=root, **options) as source:  # type: ignore[arg-type]
        end = os.open(pipe, os.O_WRONLY)
        try:
            yield source, end
        finally:
            os.close(end)


def test_a_buffer_is_set_up_read_and_switched_off(tmp_path: Path) -> None:
    pipe = buffered(tmp_path)
    folder = tmp_path / "sys/bus/iio/devices/iio:device0"

    def says(name: str) -> str:
        return (folder / name).read_text().strip()

    with opened(pipe, tmp_path, channels=("accel_x", "accel_z"), rate_hz=90.0) as (source, end):
        assert [says(f"scan_elements/in_{name}_en") for name in ("accel_x", "accel_y", "accel_z", "timestamp")] == [
            "1",
            "1",  # axes go together
            "1",
            "1",
        ]
        assert says("sampling_frequency") == "100"  # the nearest
        assert says("current_timestamp_clock") == "monotonic"
        assert (says("buffer/length"), says("buffer/watermark"), says("buffer/enable")) == ("200", "10", "1")
        os.write(end, record(-1, 2047, 10) + record(5, -2048, 10_000_010))
        frame = source.read()
    assert frame.data.tolist() == [
        [pytest.approx(-0.01), pytest.approx(20.47)],
        [pytest.approx(0.05), pytest.approx(-20.48)],
    ]
    assert frame.span is not None
    assert (frame.span.start, frame.span.rate_hz, frame.span.units) == (0, 100.0, ("m/s^2", "m/s^2"))
    assert frame.captured_ns == 10_000_010
    assert says("buffer/enable") == "0"


def test_a_buffered_sensor_is_a_source(tmp_path: Path) -> None:
    pipe = buffered(tmp_path)
    ends = []

    def with_samples() -> IioBuffer:
        source = IioBuffer("lis3dh", channels=("accel_x", "accel_z"), rate_hz=100.0, root=tmp_path)
        ends.append(os.open(pipe, os.O_WRONLY))
        for k in (0, 1, 3):
            os.write(ends[0], record(k, k, 10_000_000 * 2 * k))
        return source

    try:
        check_source(with_samples)
    finally:
        os.close(ends[0])


def test_samples_that_the_kernel_lost_leave_a_gap(tmp_path: Path) -> None:
    pipe = buffered(tmp_path)
    with opened(pipe, tmp_path, channels=("accel_x", "accel_z"), rate_hz=100.0) as (source, end):
        period = 10_000_000
        taken = [0, 1, 2, 6, 7, 20]
        os.write(end, b"".join(record(k, 0, k * period + k % 2 * 1_000_000) for k in taken))
        spans = [source.read().span for _ in range(3)]
        os.write(end, record(22, 0, 22 * period))
        spans.append(source.read().span)
    assert [(span.start, span.samples) for span in spans if span] == [(0, 3), (6, 2), (20, 1), (22, 1)]


def test_a_trigger_of_somebody_else_gives_rows_when_they_come(tmp_path: Path) -> None:
    pipe = buffered(tmp_path, rate="")
    device(tmp_path, 0, {"../trigger5/name": "sysfstrig0"})
    with opened(pipe, tmp_path, channels=("accel_x", "accel_z"), trigger="sysfstrig0") as (source, end):
        os.write(end, record(1, 0, 5) + record(2, 0, 77))
        one, other = source.read(), source.read()
    assert (tmp_path / "sys/bus/iio/devices/iio:device0/trigger/current_trigger").read_text() == "sysfstrig0"
    assert one.span is not None
    assert one.span.rate_hz == 0.0
    assert [one.captured_ns, other.captured_ns] == [5, 77]


def test_the_rate_of_a_trigger_counts(tmp_path: Path) -> None:
    pipe = buffered(tmp_path, rate="400", **{"../trigger5/name": "timer", "../trigger5/sampling_frequency": "50"})
    with opened(pipe, tmp_path, channels=("accel_x", "accel_z"), trigger="timer", rate_hz=20.0) as (source, end):
        os.write(end, record(1, 0))
        span = source.read().span
    assert span is not None
    assert span.rate_hz == 20.0


def test_a_buffered_sensor_that_goes_or_falls_silent_is_an_error(tmp_path: Path) -> None:
    pipe = buffered(tmp_path)
    with opened(pipe, tmp_path, channels=("accel_x", "accel_z"), timeout_s=0.1) as (source, end):
        with pytest.raises(SourceError, match=r"gave nothing for 0\.1 s"):
            source.read()
        os.write(end, record(1, 2))
        source.read()
        os.dup2(os.open(os.devnull, os.O_RDONLY), end)
        with pytest.raises(SourceError, match="is it unplugged"):
            source.read()


def test_channels_that_the_buffer_does_not_have_are_an_error(tmp_path: Path) -> None:
    buffered(tmp_path)
    with pytest.raises(SourceError, match="has no channel temp; it has accel_x"):
        IioBuffer("lis3dh", channels=("temp",), root=tmp_path)
    device(tmp_path, 1, ACCELEROMETER)
    with pytest.raises(SourceError, match="none at all: leave out buffered"):
        IioBuffer("mpu6050", root=tmp_path)


def test_serial_ports_are_listed_with_the_paths_that_last(tmp_path: Path) -> None:
    (tmp_path / "dev/serial/by-id").mkdir(parents=True)
    for name in ("ttyUSB10", "ttyUSB2", "ttyACM0", "ttyS0", "tty1"):
        (tmp_path / "dev" / name).touch()
    (tmp_path / "dev/serial/by-id/usb-Arduino-if00").symlink_to("../../ttyACM0")
    found = [(port.path, port.by_id) for port in list_serial(tmp_path)]
    assert found == [
        ("/dev/ttyACM0", "/dev/serial/by-id/usb-Arduino-if00"),
        ("/dev/ttyUSB2", None),
        ("/dev/ttyUSB10", None),
    ]
