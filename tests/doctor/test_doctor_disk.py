"""Disks that are full, forgetful, read-only or forbidden."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from chaos_run.loop_disk import LoopDisk, LoopDiskError
from full_disk import read_only, small_disk
from machines import PI_4, one, write
from other_user import as_nobody, open_folder

from edge_infer.settings import Settings, load_settings
from edge_infer.tools.doctor.disk import check_disk, mount_of


def settings(folder: Path, state_dir: Path, more: str = "") -> Settings:
    path = folder / "config.yaml"
    path.write_text(
        f"version: 1\ndevice: {{id: porch, state_dir: {state_dir}}}\n{more}\npipelines:\n  door:\n"
        "    source: {kind: picamera}\n    model: {path: m.tflite}\n"
    )
    return load_settings(path)


def test_a_disk_with_room_is_in_order(tmp_path: Path) -> None:
    root = write(tmp_path / "root", PI_4)
    finding = one(check_disk(settings(tmp_path, Path("/var/lib/edge-infer")), root))
    assert finding.level == "ok"
    assert finding.detail.endswith("GB are free (ext4)")
    assert one(check_disk(None)).level in ("ok", "warn"), "without a configuration, where a daemon would keep it"


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with small_disk(tmp_path, 100) as disk:
        disk.fill()
        finding = one(check_disk(settings(tmp_path, disk.path / "state")))
    assert (finding.level, finding.exit_code) == ("fail", 69)
    assert "has 0 MB left, less than outbox.min_free_bytes" in finding.detail
    assert finding.command == f"sudo du -xh {disk.path} | sort -h | tail -20"


def test_a_disk_that_forgets_is_told(tmp_path: Path) -> None:
    with small_disk(tmp_path, 100) as disk:
        state = settings(tmp_path, disk.path / "state", "outbox: {min_free_bytes: 1000}")
        finding = one(check_disk(state))
    assert finding.level == "warn"
    assert "it lies on tmpfs, which may forget" in finding.detail


def test_an_overlay_over_the_whole_system_is_told(tmp_path: Path) -> None:
    """As Raspberry Pi OS has it, against worn cards."""
    overlay = {"proc/self/mountinfo": "21 1 0:5 / / rw,relatime - overlay overlayroot rw,lowerdir=/lower\n"}
    finding = one(check_disk(settings(tmp_path, Path("/var/lib/x")), write(tmp_path / "root", PI_4, overlay)))
    assert finding.level == "warn"
    assert "it lies on overlay" in finding.detail


@pytest.fixture
def loop_disk(tmp_path: Path) -> Iterator[LoopDisk]:
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(LoopDisk(tmp_path))
        except LoopDiskError as error:
            pytest.skip(f"needs root to mount a file: {error}")
        yield disk


def test_a_disk_that_is_mounted_read_only_is_told(tmp_path: Path, loop_disk: LoopDisk) -> None:
    subprocess.run(["mount", "-o", "remount,ro", loop_disk.path], check=True)
    finding = one(check_disk(settings(tmp_path, loop_disk.path / "state")))
    assert finding.level == "fail"
    assert finding.detail.endswith(f"{loop_disk.path} is mounted read-only")
    assert finding.command == f"sudo mount -o remount,rw {loop_disk.path}"


def test_a_disk_that_fails_is_told(tmp_path: Path, loop_disk: LoopDisk) -> None:
    """It is mounted, has room and the right mode, and takes nothing."""
    with read_only(loop_disk):
        finding = one(check_disk(settings(tmp_path, loop_disk.path / "state", "outbox: {min_free_bytes: 0}")))
    assert (finding.level, finding.command) == ("fail", "dmesg | tail -30")
    assert f"the disk of {loop_disk.path} takes nothing: " in finding.detail


def test_a_folder_of_somebody_else_is_told() -> None:
    with open_folder() as folder:
        state = settings(folder, folder / "state" / "below")
        (folder / "state").mkdir(mode=0o700)
        with as_nobody():
            finding = one(check_disk(state))
    assert (finding.level, finding.exit_code) == ("fail", 69)
    assert "is not ours to write to" in finding.detail
    assert "run this as the daemon's user or as root" in finding.fix


def test_a_file_for_results_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    more = f"file: {{path: {tmp_path / 'taken' / 'results.jsonl'}}}\noutbox: {{min_free_bytes: 0}}"
    _, finding = check_disk(settings(tmp_path, tmp_path, more))
    assert (finding.what, finding.level) == ("file", "fail")


@pytest.mark.parametrize(
    ("folder", "point"), [("/var/lib/x", "/"), ("/mnt/usb disk/y", "/mnt/usb disk"), ("/boot", "/")]
)
def test_a_folder_lies_on_the_nearest_mount(tmp_path: Path, folder: str, point: str) -> None:
    mounts = (
        "21 1 179:2 / / rw - ext4 /dev/root rw\n22 21 8:1 / /mnt/usb\\040disk ro,nosuid shared:2 - ext4 /dev/sda1 rw\n"
        "23 21 179:1 / /boot/firmware rw - vfat /dev/mmcblk0p1 rw\ntorn line\n"
    )
    mount = mount_of(Path(folder), write(tmp_path, {"proc/self/mountinfo": mounts}))
    assert mount
    assert (mount.point, mount.read_only) == (Path(point), point != "/")
