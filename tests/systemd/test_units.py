"""The files of systemd/ as they are: in order for systemd, hardened, and each key in its place."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from booted import REPOSITORY

from edge_infer.errors import ConfigError, UsageError
from edge_infer.tools.install_pieces import PACKAGED, PLACES

SYSTEMD = REPOSITORY / "systemd"
UNITS = ["edge-infer.service", "edge-infer@.service"]
EXPOSURE = 16  # tenths, offline: PrivateDevices= and ProcSubset= cost, see docs/systemd.md


def settings(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (SYSTEMD / unit).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def analyze(tmp_path: Path):
    """Runs systemd-analyze on a unit whose program is there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze: apt install systemd")
    for unit in UNITS:
        text = (SYSTEMD / unit).read_text()
        assert text.count(PACKAGED) == 1
        (tmp_path / unit).write_text(text.replace(PACKAGED, f"ExecStart={sys.executable} "))

    def analyze(verb: str, unit: str, *options: str) -> "subprocess.CompletedProcess[str]":
        command = ["systemd-analyze", verb, *options, str(tmp_path / unit)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return analyze


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_to_say_about_the_units(analyze, unit: str) -> None:
    ran = analyze("verify", unit)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")  # an unknown key is but a line on stderr


@pytest.mark.parametrize("unit", UNITS)
def test_the_units_expose_little(analyze, unit: str) -> None:
    ran = analyze("security", unit, "--offline=true", f"--threshold={EXPOSURE}", "--no-pager")
    assert ran.returncode == 0, ran.stdout


def test_the_units_expose_nothing_that_is_not_explained(analyze) -> None:
    document = (REPOSITORY / "docs/systemd.md").read_text()
    ran = analyze("security", UNITS[0], "--offline=true", "--json=short")
    exposed = [check["json_field"] for check in json.loads(ran.stdout) if not check["set"]]
    assert len(exposed) >= 5
    for name in exposed:
        key = re.split("_AF_|Or", name)[0]
        assert f"`{key}" in document, f"{name} is not explained in docs/systemd.md"


def test_the_units_differ_in_their_names_only() -> None:
    one, several = ((SYSTEMD / unit).read_text().partition("[Unit]")[2] for unit in UNITS)
    assert several != one
    several = re.sub(r" Named, since systemd [^.]*\.\n", "\n", several).replace("User=edge-infer-%i\n", "")
    for name, plain in ((" (%i)", ""), ("edge-infer-%i", "edge-infer"), ("@%i", ""), ("%i.yaml", "config.yaml")):
        several = several.replace(name, plain)
    assert several == one


@pytest.mark.parametrize("unit", UNITS)
def test_what_would_make_it_slow_dead_or_silent_is_not_set(unit: str) -> None:
    keys = settings(unit)
    assert "ProcSubset" not in keys  # inference becomes three to four times slower
    assert "PrivateDevices" not in keys  # no camera, no Coral
    assert "MemoryHigh" not in keys  # slow instead of started anew
    assert "RestartSteps" not in keys  # the pause never shrinks again
    assert keys["SystemCallErrorNumber"] == ["EPERM"]  # else OpenBLAS is killed
    assert keys["Restart"] == ["always"]  # a TasksMax that is too small looks like a clean exit
    assert keys["StartLimitIntervalSec"] == ["0"]
    assert keys["RestartPreventExitStatus"] == [f"{UsageError.exit_code} {ConfigError.exit_code}"]


def test_every_group_that_the_units_name_is_made() -> None:
    made = re.findall(r"^g (\S+)", (SYSTEMD / "edge-infer.sysusers").read_text(), re.MULTILINE)
    assert sorted(made) == sorted(settings(UNITS[0])["SupplementaryGroups"][0].split())


def test_the_groups_of_the_udev_rules_are_those_of_the_units() -> None:
    rules = (SYSTEMD / "99-edge-infer-coral.rules").read_text()
    groups = set(re.findall(r'GROUP="(\w+)"', rules))
    assert groups == {"plugdev", "apex"} <= set(settings(UNITS[0])["SupplementaryGroups"][0].split())
    for vendor, product in (("1a6e", "089a"), ("18d1", "9302")):  # before and after its firmware is loaded
        assert f'ATTR{{idVendor}}=="{vendor}", ATTR{{idProduct}}=="{product}"' in rules


def test_the_folder_of_the_credentials_is_made_before_the_service_wants_it() -> None:
    folder = settings(UNITS[0])["LoadCredential"][0].partition(":")[2]
    assert f"d {folder} 0700 root root" in (SYSTEMD / "edge-infer.tmpfiles").read_text()


@pytest.mark.parametrize("name", PLACES)
def test_every_file_says_why(name: str) -> None:
    lines = (SYSTEMD / name).read_text().splitlines()
    assert lines[0].startswith("# ")
    assert max(map(len, lines)) <= 125
