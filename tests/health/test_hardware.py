from pathlib import Path

import pytest
from boards import CORAL_DEV_BOARD, PC, PI_4, PI_5, planted, with_vcgencmd

from edge_infer.health import hardware
from edge_infer.health.hardware import disk_wear, edge_tpu_temperature_c, temperature_c, throttling
from edge_infer.wire.machine import DiskWear, Throttling


@pytest.mark.parametrize(
    ("files", "degrees"), [(PI_4, 61.3), (PI_5, 48.7), (CORAL_DEV_BOARD, 50.0), (PC, 46.0), ({}, None)]
)
def test_the_temperature_is_that_of_the_processor(tmp_path: Path, files: dict[str, str], degrees: float | None) -> None:
    assert temperature_c(planted(tmp_path, files)) == degrees


def test_a_machine_without_a_sensor_of_its_processor_tells_its_hottest(tmp_path: Path) -> None:
    root = planted(tmp_path, {name: text for name, text in PC.items() if "zone1" not in name and "hwmon2" not in name})
    assert temperature_c(root) == 77.8


@pytest.mark.parametrize("text", ["", "-273000\n", "2147483647\n", "warm\n"])
def test_a_temperature_that_cannot_be_is_none(tmp_path: Path, text: str) -> None:
    assert temperature_c(planted(tmp_path, {"sys/class/thermal/thermal_zone0/temp": text})) is None


def test_an_edge_tpu_on_pcie_tells_its_temperature(tmp_path: Path) -> None:
    root = planted(tmp_path, CORAL_DEV_BOARD)
    assert edge_tpu_temperature_c(0, root) == 47.8
    assert edge_tpu_temperature_c(1, root) is None


def test_the_firmware_says_in_sys_what_slows_a_pi_down(tmp_path: Path) -> None:
    slow = ("under_voltage", "throttled")
    assert throttling(planted(tmp_path, PI_4)) == Throttling(now=slow, since_boot=slow)


def test_where_sys_says_nothing_vcgencmd_is_asked(tmp_path: Path) -> None:
    root = with_vcgencmd(planted(tmp_path, PI_5), '[ "$1" = get_throttled ] && echo throttled=0xe0008')
    assert throttling(root) == Throttling(
        now=("soft_temperature_limit",), since_boot=("frequency_capped", "throttled", "soft_temperature_limit")
    )


@pytest.mark.parametrize("script", ["echo VCHI initialization failed; exit 255", "exit 1", "exec sleep 60"])
def test_where_the_firmware_does_not_answer_the_kernel_is_asked(
    tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "VCGENCMD_S", 0.2)
    root = with_vcgencmd(planted(tmp_path, PI_5), script)
    assert throttling(root) == Throttling(now=(), since_boot=None)
    planted(root, {"sys/class/hwmon/hwmon2/in0_lcrit_alarm": "1\n"})
    assert throttling(root) == Throttling(now=("under_voltage",), since_boot=None)


@pytest.mark.parametrize("files", [CORAL_DEV_BOARD, PC, {}])
def test_other_machines_say_nothing_of_throttling(tmp_path: Path, files: dict[str, str]) -> None:
    assert throttling(planted(tmp_path, files)) is None


def test_an_emmc_tells_how_worn_it_is_and_a_card_does_not(tmp_path: Path) -> None:
    assert disk_wear(planted(tmp_path / "coral", CORAL_DEV_BOARD)) == {
        "mmcblk0": DiskWear(life_used_percent=20, spare_blocks="normal")
    }
    assert disk_wear(planted(tmp_path / "pi", PI_4)) == {}


@pytest.mark.parametrize(
    ("life", "spare", "worn"),
    [
        ("0x0b 0x03", "0x03", {"mmcblk1": DiskWear(life_used_percent=110, spare_blocks="urgent")}),
        ("0x00 0x00", "0x02", {"mmcblk1": DiskWear(life_used_percent=None, spare_blocks="warning")}),
        ("0x00 0x00", "0x00", {}),
        ("much", "0x1_0", {}),
    ],
)
def test_what_an_emmc_leaves_undefined_is_none(
    tmp_path: Path, life: str, spare: str, worn: dict[str, DiskWear]
) -> None:
    device = "sys/block/mmcblk1/device"
    assert disk_wear(planted(tmp_path, {f"{device}/life_time": life, f"{device}/pre_eol_info": spare})) == worn


def test_this_machine_can_be_read() -> None:
    degrees = temperature_c()
    assert degrees is None or -20 < degrees < 120
    assert throttling() is None or hardware.ROOT.is_dir()
    assert isinstance(disk_wear(), dict)
