"""Cameras: may we open them, does something else hold them, and which path stays with them."""

from collections.abc import Iterator
from pathlib import Path

from edge_infer.settings import Settings
from edge_infer.sources.devices import Camera, list_cameras
from edge_infer.sources.settings import CameraSettings, PiCameraSettings
from edge_infer.tools.doctor.child import ask
from edge_infer.tools.doctor.finding import Finding, fail, ok, skip, warn
from edge_infer.tools.doctor.machine import read_machine
from edge_infer.tools.doctor.permission import group_of, who_may_not
from edge_infer.tools.doctor.reading import users_of

SECONDS = 20.0  # picamera2 imports half of the desktop's libraries
# Source: names of the drivers unicam (to Pi 4) and rp1-cfe (Pi 5), behind which a camera on the ribbon cable is.
RIBBON = ("unicam", "rp1-cfe")


def check_cameras(settings: Settings | None, root: Path = Path("/"), *, running: bool = False) -> Iterator[Finding]:
    """Each camera that the machine shows; `running`: a daemon does, and may have them."""
    cameras = list_cameras(root)
    ribbon = [camera for camera in cameras if camera.name.startswith(RIBBON)]
    for camera in cameras:
        if camera not in ribbon:
            yield _judged(camera, root, running=running)
    if ribbon or _wants(settings, PiCameraSettings):
        yield _picamera(root)
    if not cameras and not ribbon:
        yield skip("cameras", "none is plugged in")
    yield from _fleeting(settings, cameras)


def _judged(camera: Camera, root: Path, *, running: bool) -> Finding:
    what, device = f"camera {camera.path}", root / camera.path.lstrip("/")
    lasting = f", lasting path {camera.lasting}" if camera.lasting else ""
    if who := who_may_not(device, root):
        group = group_of(device, "video")
        return fail(
            what,
            f"{camera.name}: {who} may not open it",
            f"let udev give it to the group {group}, and this user be in it; then log in anew",
            f"sudo edge-infer install; sudo usermod -aG {group} $USER",
        )
    users = users_of(device, root)
    if users and not running:
        return warn(
            what,
            f"{camera.name}: {', '.join(users)} has it open, and a camera gives frames to one program only",
            "end that program",
            f"sudo fuser -v {camera.path}",
        )
    return ok(what, f"{camera.name}{f', open in {users[0]}' if users else ''}{lasting}")


def _picamera(root: Path) -> Finding:
    answer = ask("module", "picamera2", seconds=SECONDS)
    if "imported" in answer.said and not answer.died:
        return ok("picamera2", "it can be imported")
    error = answer.said.get("error") or f"it {answer.died}{answer.last_words}"
    on_pi = read_machine(root).is_pi
    return fail(
        "picamera2",
        f"a camera on the ribbon cable needs it, and it cannot be imported: {error}",
        "install it with the system's package manager, and make the environment with --system-site-packages"
        if on_pi
        else "this is no Raspberry Pi: use a source of kind camera",
        "sudo apt install python3-picamera2" if on_pi else "",
    )


def _fleeting(settings: Settings | None, cameras: list[Camera]) -> Iterator[Finding]:
    """A /dev/videoN in the configuration, where the camera has a path that stays with it."""
    lasting = {camera.path: camera.lasting for camera in cameras if camera.lasting}
    for name, pipeline in settings.pipelines.items() if settings else ():
        source = pipeline.source
        if isinstance(source, CameraSettings) and source.uri in lasting:
            yield warn(
                f"source of {name}",
                f"{source.uri} may be another camera, or none, after it was plugged in anew",
                f"in the configuration write uri: {lasting[source.uri]}",
            )


def _wants(settings: Settings | None, kind: type) -> bool:
    return settings is not None and any(isinstance(p.source, kind) for p in settings.pipelines.values())
