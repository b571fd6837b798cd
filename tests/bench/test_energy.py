"""Power sensors of other machines, as trees of files; and what is made of their readings."""

import threading
from pathlib import Path

import pytest
from health.boards import planted, with_vcgencmd
from waiting import until

from edge_infer.tools.bench.energy import NOTHING, Recording, Sensor, find_sensor

INA219 = {  # the kernel's ina2xx driver
    "sys/class/hwmon/hwmon3/name": "ina219\n",
    "sys/class/hwmon/hwmon3/in0_input": "12\n",
    "sys/class/hwmon/hwmon3/in1_input": "5050\n",
    "sys/class/hwmon/hwmon3/curr1_input": "700\n",
    "sys/class/hwmon/hwmon3/power1_input": "3535000\n",
}
INA3221 = {  # a Jetson
    "sys/class/hwmon/hwmon1/name": "ina3221\n",
    "sys/class/hwmon/hwmon1/in1_label": "VDD_IN\n",
    "sys/class/hwmon/hwmon1/in1_input": "5000\n",
    "sys/class/hwmon/hwmon1/curr1_input": "1200\n",
    "sys/class/hwmon/hwmon1/in2_label": "VDD_CPU_GPU_CV\n",
    "sys/class/hwmon/hwmon1/in2_input": "5000\n",
    "sys/class/hwmon/hwmon1/curr2_input": "400\n",
}
RAPL = {
    "sys/class/powercap/intel-rapl:0/name": "package-0\n",
    "sys/class/powercap/intel-rapl:0/energy_uj": "5000000\n",
    "sys/class/powercap/intel-rapl:0/max_energy_range_uj": "262143328850\n",
    "sys/class/powercap/intel-rapl:0:0/name": "core\n",
    "sys/class/powercap/intel-rapl:0:0/energy_uj": "4000000\n",
}
PMIC = """   3V7_WL_SW_A current(0)=0.10000000A
   VDD_CORE_A current(7)=2.00000000A
  3V7_WL_SW_V volt(8)=3.70000000V
   VDD_CORE_V volt(15)=0.75000000V
      EXT5V_V volt(24)=5.14000000V"""


def found(root: Path, wanted: str | None = None) -> Sensor:
    sensor, reason = find_sensor(wanted, root)
    assert sensor, reason
    return sensor


def test_a_power_sensor_of_the_kernel_is_read_in_watts(tmp_path: Path) -> None:
    sensor = found(planted(tmp_path, INA219))
    assert sensor.method == "hwmon ina219/power1"
    assert sensor.read() == pytest.approx(3.535)


def test_without_a_power_the_current_times_the_voltage_is_it(tmp_path: Path) -> None:
    files = {name: text for name, text in INA219.items() if "power1" not in name}
    assert found(planted(tmp_path, files)).read() == pytest.approx(0.7 * 5.05)


def test_of_several_sensors_the_one_at_the_supply_is_taken(tmp_path: Path) -> None:
    sensor = found(planted(tmp_path, INA3221))
    assert (sensor.method, sensor.read()) == ("hwmon ina3221/curr1 (VDD_IN)", pytest.approx(6.0))


def test_of_several_that_are_alike_none_is_guessed(tmp_path: Path) -> None:
    root = planted(tmp_path, {name: text.replace("VDD_IN", "A") for name, text in INA3221.items()})
    sensor, reason = find_sensor(None, root)
    assert sensor is None
    assert "ina3221/curr1, ina3221/curr2" in reason
    assert found(root, "ina3221/curr2").read() == pytest.approx(2.0)
    assert find_sensor("ina219", root) == (
        None,
        "there is no power sensor ina219: this machine has ina3221/curr1, ina3221/curr2",
    )


def test_a_raspberry_pi_5_sums_the_rails_of_its_power_management(tmp_path: Path) -> None:
    root = with_vcgencmd(tmp_path, f'[ "$1" = pmic_read_adc ] && echo "{PMIC}"')
    sensor = found(root)
    assert "pmic_read_adc" in sensor.method
    assert sensor.read() == pytest.approx(0.1 * 3.7 + 2.0 * 0.75), "a voltage without a current is no power"


def test_a_sensor_of_the_kernel_comes_before_the_firmware_and_counters(tmp_path: Path) -> None:
    root = with_vcgencmd(planted(tmp_path, INA219 | RAPL), f'echo "{PMIC}"')
    assert found(root).method.startswith("hwmon")


def test_a_processors_counter_is_read_without_its_parts(tmp_path: Path) -> None:
    sensor = found(planted(tmp_path, RAPL))
    assert sensor.method == "RAPL package-0: the processor, not the board"
    assert sensor.read() == pytest.approx(5.0)
    assert (sensor.counts, sensor.wraps_j) == (True, pytest.approx(262143.32885))


def test_a_counter_that_only_root_may_read_says_so(tmp_path: Path) -> None:
    root = planted(tmp_path, RAPL)
    (root / "sys/class/powercap/intel-rapl:0/energy_uj").unlink()
    (root / "sys/class/powercap/intel-rapl:0/energy_uj").mkdir()  # as root, permissions keep nobody out
    sensor, reason = find_sensor(None, root)
    assert sensor is None
    assert "run as root" in reason


@pytest.mark.parametrize("script", ["echo error=1", "exit 1"])
def test_a_machine_without_any_says_so(tmp_path: Path, script: str) -> None:
    assert find_sensor(None, with_vcgencmd(tmp_path, script)) == (None, NOTHING)


def test_watts_are_summed_up_between_any_two_moments() -> None:
    recording = Recording(Sensor("test", lambda: None, 1.0))
    for at, watts in ((10.0, 2.0), (11.0, 2.0), (12.0, 4.0), (13.0, 4.0)):
        recording.add(at, watts)
    assert recording.joules(10.0, 13.0) == pytest.approx(2 + 3 + 4)
    assert recording.joules(10.5, 11.0) == pytest.approx(1.0)
    assert recording.joules(12.25, 12.75) == pytest.approx(2.0)
    assert recording.joules(9.0, 12.0) is None, "nothing is known of what was before the first reading"
    assert recording.joules(12.0, 13.5) is None


def test_a_counter_that_begins_anew_loses_nothing() -> None:
    recording = Recording(Sensor("test", lambda: None, 1.0, counts=True, wraps_j=100.0))
    for at, joules in ((0.0, 90.0), (1.0, 96.0), (2.0, 2.0)):
        recording.add(at, joules)
    assert recording.joules(0.0, 2.0) == pytest.approx(12.0)


def test_a_sensor_is_asked_by_a_thread_until_the_end() -> None:
    asked = iter(range(1_000_000))
    with Recording(Sensor("test", lambda: float(next(asked)), 0.001, counts=True)) as recording:
        until(lambda: next(asked) > 20)
        first = recording.first_at
        until(lambda: recording.last_at > first)
    assert "energy" not in [thread.name for thread in threading.enumerate()]
    joules = recording.joules(first, recording.last_at)
    assert joules is not None
    assert joules > 0
