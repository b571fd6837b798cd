"""Secrets that systemd hands to a service."""

import os
from pathlib import Path


def credential(path: Path) -> Path:
    """The systemd credential of this file's name where there is one, else the path itself."""
    handed = Path(os.environ.get("CREDENTIALS_DIRECTORY", "")) / path.name
    return handed if "CREDENTIALS_DIRECTORY" in os.environ and handed.is_file() else path
