"""Where models lie that were pulled, and which of them a name means."""

import os
import re
from pathlib import Path

from edge_infer.bundle.manifest import MANIFEST
from edge_infer.catalogue.table import NAME, models, unknown
from edge_infer.errors import UnavailableError

VARIABLE = "EDGE_INFER_MODELS"  # the only folder, where it is set
# Every service of this machine can read it, the instances of edge-infer@.service too: their state folders are closed to
# each other (systemd.exec(5), DynamicUser=). Source: XDG Base Directory Specification, the first of $XDG_DATA_DIRS.
SYSTEM = Path("/usr/local/share/edge-infer/models")
STATE = Path("/var/lib/edge-infer/models")


def folders() -> list[Path]:
    """Where models are looked for; they are pulled into the first."""
    if folder := os.environ.get(VARIABLE):
        return [Path(folder)]
    own = []
    if state := os.environ.get("STATE_DIRECTORY"):  # systemd sets it: nothing else can be written to
        own = [Path(state.split(":")[0]) / "models"]
    elif os.geteuid() != 0:
        home = os.path.expanduser("~/.local/share")  # noqa: PTH111 - Path.home raises for a user who has none
        own = [Path(os.environ.get("XDG_DATA_HOME") or home) / "edge-infer/models"]
    return [*own, SYSTEM, STATE]


def find(name: str) -> Path | None:
    """The bundle of this name; None where it was not pulled, or not to its end."""
    places = [folder / name for folder in folders()] if re.fullmatch(NAME, name) else []
    # os.path, since Path.is_file raises where a folder above is closed to us
    return next((place for place in places if os.path.isfile(place / MANIFEST)), None)  # noqa: PTH113


def pulled(path: Path) -> Path:
    """The bundle that a path means which is not there: one whose name it is.

    Raises:
        UnavailableError: there is none; the message says what to do.
    """
    name = str(path)
    if found := find(name):
        return found
    if name in models():
        raise UnavailableError(f"the model {name} is not on this machine: `edge-infer models pull {name}` fetches it")
    if re.fullmatch(NAME, name):
        raise UnavailableError(f"there is no model at {path}, and {unknown(name, models())}")
    raise UnavailableError(
        f"there is no model at {path}: give a .tflite file, a bundle folder with a {MANIFEST}, or a name that "
        "`edge-infer models list` shows"
    )


def meant(path: Path, folder: Path) -> Path:
    """What a file in `folder` means by the path of a model: a name, where that is one and no file is there."""
    if path.parent != folder or os.path.lexists(path):
        return path
    return Path(path.name) if path.name in models() or find(path.name) else path
