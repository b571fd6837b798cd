"""Who may open a device: this user, and the user that the service runs as."""

import os
import stat
from pathlib import Path

UNIT = "etc/systemd/system/edge-infer.service"
# Source: systemd/edge-infer.service, SupplementaryGroups=
SERVICE_GROUPS = ("video", "audio", "plugdev", "apex", "dialout", "i2c")


def who_may_not(device: Path, root: Path = Path("/")) -> str | None:
    """Who of those that should may not open a device; None if all may.

    Root may open anything, which says nothing of the service.
    """
    if not os.access(device, os.R_OK | os.W_OK, effective_ids=True):
        return "this user"
    if os.geteuid() == 0 and (root / UNIT).exists() and not _service_may(device):
        return "the service"
    return None


def group_of(device: Path, otherwise: str) -> str:
    """The group that owns a device, where that is not root's."""
    try:
        group = device.group()
    except (OSError, KeyError, NotImplementedError):
        return otherwise
    return otherwise if group == "root" else group


def _service_may(device: Path) -> bool:
    mode = device.stat().st_mode
    everybody, group = stat.S_IROTH | stat.S_IWOTH, stat.S_IRGRP | stat.S_IWGRP
    return mode & everybody == everybody or (mode & group == group and group_of(device, "root") in SERVICE_GROUPS)
