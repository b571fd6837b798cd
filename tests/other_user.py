"""Somebody who is not root: for root, modes of files do not count."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

# What makes a program respect the modes of files, although it is run by root.
MODES_COUNT = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user may look into, as pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's rights, so that modes of files count."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def not_as_root() -> AbstractContextManager[None]:
    """As nobody where we are root; else as who we are."""
    return as_nobody() if os.geteuid() == 0 else nullcontext()
