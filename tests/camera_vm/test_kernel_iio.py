"""A real IIO device of the kernel, whose chip is played; scripts/test-camera runs this in a machine of its own."""

import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import vivid
from hid_sensor import STEP, hid_accelerometer
from i2c_chip import Chip, accelerometer
from waiting import until
from watched import PATIENCE

from edge_infer.errors import SourceError
from edge_infer.sources.iio import IioSource
from edge_infer.sources.iio_buffer import IioBuffer
from edge_infer.types import Frame

pytestmark = pytest.mark.slow
NEWTON = 0.0098  # m/s^2 of a step: the chip is set to 2 g, which are 2048 of them; Source: ST LIS3DH data sheet


@pytest.fixture
def chip() -> Iterator[Chip]:
    if not vivid.DRIVER.exists():
        pytest.skip("needs a kernel of its own: run scripts/test-camera")
    with accelerometer() as chip:
        yield chip


def test_readings_come_in_real_units_as_the_chip_feels_them(chip: Chip) -> None:
    with IioSource("lis3dh", rate_hz=5.0) as source:
        chip.feels(0, -100, 1000)
        first = source.read()
        assert first.span is not None
        assert first.span.channels == ("accel_x", "accel_y", "accel_z")
        assert first.span.units == ("m/s^2",) * 3
        until(lambda: source.read().data[0, 2] > 1.0, PATIENCE, "what the chip feels")
        assert source.read().data[0].tolist() == pytest.approx([0.0, -100 * NEWTON, 1000 * NEWTON], rel=0.01)
        chip.feels(2047, 0, -2048)
        until(lambda: source.read().data[0, 0] > 1.0, PATIENCE, "what it feels now")
        assert source.read().data[0].tolist() == pytest.approx([2047 * NEWTON, 0.0, -2048 * NEWTON], rel=0.01)


def test_a_sensor_that_goes_is_noticed_and_found_again_by_its_name(chip: Chip) -> None:
    with IioSource("lis3dh", rate_hz=5.0) as source:
        source.read()
        chip.unplug()
        with pytest.raises(SourceError, match="broke off"):
            deque(source, maxlen=0)
    with pytest.raises(SourceError, match="there is no IIO device lis3dh; this machine has none"):
        IioSource("lis3dh")
    chip.plug()
    with IioSource("lis3dh", rate_hz=5.0) as source:
        assert source.read().data.shape == (1, 3)


@pytest.mark.usefixtures("chip")
def test_a_sensor_is_listed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge_infer", "devices", "--json"], capture_output=True, timeout=PATIENCE, check=True
    )
    (sensor,) = json.loads(done.stdout)["sensors"]
    assert sensor["name"] == "lis3dh"


@pytest.mark.usefixtures("chip")
def test_a_buffer_that_needs_a_trigger_is_an_error_that_says_so() -> None:
    with pytest.raises(SourceError, match="does it need a trigger"):
        IioBuffer("lis3dh", rate_hz=10.0)


def test_a_buffer_of_the_kernel_gives_what_the_sensor_reported() -> None:
    if not vivid.DRIVER.exists():
        pytest.skip("needs a kernel of its own: run scripts/test-camera")
    with hid_accelerometer() as sensor:
        with IioBuffer("accel_3d", channels=("accel_z", "accel_x"), rate_hz=50.0, timeout_s=PATIENCE) as source:
            until(lambda: sensor.interval_ms == 20, PATIENCE, f"the interval ({sensor.interval_ms} ms)")
            before_ns = time.monotonic_ns()
            for number in range(1, 31):
                sensor.sends(number, 0, -number)
            blocks: list[Frame] = []
            while sum(len(block.data) for block in blocks) < 30:
                blocks.append(source.read())
            assert blocks[0].span is not None
            assert (blocks[0].span.channels, blocks[0].span.rate_hz) == (("accel_z", "accel_x"), 50.0)
            found = np.concatenate([block.data for block in blocks])
            np.testing.assert_allclose(found, [[-k * STEP, k * STEP] for k in range(1, 31)], rtol=1e-5)
            assert before_ns <= blocks[0].captured_ns <= blocks[-1].captured_ns <= time.monotonic_ns()
            with pytest.raises(SourceError, match="is busy"):
                IioBuffer("accel_3d")
        enable = next(Path("/sys/bus/iio/devices").glob("iio:device*/buffer/enable"))
        assert enable.read_text().strip() == "0"
        with IioBuffer("accel_3d", rate_hz=50.0, timeout_s=PATIENCE) as source:  # and once more
            sensor.sends(1, 2, 3)
            sensor.sends(1, 2, 3)
            assert source.read().data[0].tolist() == pytest.approx([STEP, 2 * STEP, 3 * STEP])
