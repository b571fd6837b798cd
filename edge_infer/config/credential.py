"""Secrets that systemd hands to a service."""

import os
from pathlib import Path

FOLDER_ID = "edge-infer"  # of LoadCredential= in systemd/; systemd names a file of a folder <id>_<file>


def credential(path: Path) -> Path:
    """The systemd credential of this file's name where there is one, else the path itself."""
    if folder := os.environ.get("CREDENTIALS_DIRECTORY"):
        for name in (path.name, f"{FOLDER_ID}_{path.name}"):
            if (handed := Path(folder) / name).is_file():
                return handed
    return path
