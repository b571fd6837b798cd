"""Where a device keeps what must survive a restart."""

import os
from pathlib import Path


def default_state_dir() -> Path:
    """$STATE_DIRECTORY (systemd sets it), else /var/lib/edge-infer for root, else the user's own state folder."""
    if directory := os.environ.get("STATE_DIRECTORY"):
        return Path(directory.split(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/edge-infer")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "edge-infer"
