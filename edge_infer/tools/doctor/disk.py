"""The disk that results wait on while there is no broker."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_infer.deliver.limits import OutboxSettings
from edge_infer.deliver.state_dir import default_state_dir
from edge_infer.errors import UnavailableError
from edge_infer.settings import Settings
from edge_infer.tools.doctor.finding import Finding, fail, ok, warn
from edge_infer.tools.doctor.reading import text
from edge_infer.tools.places import place_of_file, room_for_results, state_dir

# What lies in RAM, or on what hides a disk and forgets: Raspberry Pi OS's overlay, a container without a volume.
FORGETFUL = ("tmpfs", "ramfs", "overlay")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system."""

    point: Path
    kind: str
    read_only: bool


def check_disk(settings: Settings | None, root: Path = Path("/")) -> Iterator[Finding]:
    """Whether results can wait there and would still be there after a power cut, and the file for results."""
    folder = (state_dir(settings) if settings else default_state_dir()).absolute()
    yield _judged(folder, (settings.outbox if settings else OutboxSettings()).min_free_bytes, root)
    if settings and settings.file:
        try:
            yield ok("file", place_of_file(settings.file.path))
        except UnavailableError as error:
            yield fail("file", str(error), "let the daemon's user write there, or set file.path to another folder")


def _judged(folder: Path, min_free_bytes: int, root: Path) -> Finding:
    mount = mount_of(folder, root)
    try:
        described = room_for_results(root / str(folder).lstrip("/"), min_free_bytes)
    except UnavailableError as error:
        return _full(str(error), mount)
    if mount and mount.kind in FORGETFUL:
        return warn(
            "disk",
            f"{described}, but it lies on {mount.kind}, which may forget at a power cut what waits there",
            "set device.state_dir to a folder on a disk, or in a volume of the container",
        )
    return ok("disk", described + (f" ({mount.kind})" if mount else ""))


def _full(error: str, mount: Mount | None) -> Finding:
    """What to do where no result can wait."""
    if mount and mount.read_only:
        command = f"sudo mount -o remount,rw {mount.point}"
        what = f"{error}; {mount.point} is mounted read-only"
        return fail(
            "disk", what, "see why (dmesg), mount it writable, or set device.state_dir to another disk", command
        )
    if "not ours" in error:
        return fail(
            "disk", error, "run this as the daemon's user or as root, or set device.state_dir to another folder"
        )
    if "takes nothing" in error and "No space" not in error:
        return fail("disk", error, "see what the kernel says of it; a worn SD card is replaced", "dmesg | tail -30")
    fix = "make room, give outbox.min_free_bytes a lower value, or set device.state_dir to another disk"
    return fail("disk", error, fix, f"sudo du -xh {mount.point if mount else '/'} | sort -h | tail -20")


def mount_of(folder: Path, root: Path = Path("/")) -> Mount | None:
    """The file system that a folder lies on. Source of the fields: proc_pid_mountinfo(5)."""
    found = None
    for line in text(root / "proc/self/mountinfo").splitlines():
        before, _, behind = line.partition(" - ")
        fields, kinds = before.split(), behind.split()
        if len(fields) < 6 or len(kinds) < 3:
            continue
        point = Path(fields[4].replace("\\040", " "))
        if folder.is_relative_to(point) and (found is None or len(point.parts) >= len(found.point.parts)):
            read_only = "ro" in fields[5].split(",") or "ro" in kinds[2].split(",")
            found = Mount(point, kinds[0], read_only)
    return found
