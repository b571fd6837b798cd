"""What `edge-infer tune` has measured on this machine, in a file beside what else survives a restart."""

import logging
import platform
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from edge_infer.bundle.digest import digest_of
from edge_infer.deliver.epoch import replaced
from edge_infer.deliver.state_dir import default_state_dir
from edge_infer.errors import UnavailableError
from edge_infer.health.process import board, cores
from edge_infer.plan.points import Point

log = logging.getLogger(__name__)

FILE = "tuning.json"
MOST = 200  # model files that are kept, those that were measured last: 100 kB
ROOT = Path("/")
PROCESSOR = re.compile(r"^(?:model name|Hardware|cpu model)\s*:\s*(.+)$", re.MULTILINE)


class Evidence(Struct, frozen=True, kw_only=True):
    """What was measured of one model file.

    Attributes:
        model: its name, for people
        at: when, seconds since 1970
        shown: what it was asked about, for people
        source_fps: of the source that ran meanwhile, where one did
        others_cores: that other processes kept busy meanwhile
    """

    model: str
    model_bytes: int
    at: float
    shown: str
    source_fps: float | None
    others_cores: float
    points: tuple[Point, ...]


class _Book(Struct, kw_only=True):
    schema: Literal["edge-infer/tuning@1"] = "edge-infer/tuning@1"
    measured: dict[str, Evidence] = {}


def evidence_key(model: Path, library: str) -> str:
    """What figures hold for: the file's content, the runtime (name and version), the processor, its cores.

    Raises:
        UnavailableError: the file cannot be read.
    """
    try:
        stated = model.stat()
        digest = _digest(model, stated.st_mtime_ns, stated.st_size)
    except OSError as error:
        raise UnavailableError(f"{model} cannot be read ({error.strerror}): check who may read it") from error
    return f"{digest} / {library} / {processor()} / {cores()} cores"


@lru_cache(maxsize=64)  # it is asked for when devices are chosen, and again for threads and workers
def _digest(model: Path, _modified_ns: int, _size: int) -> str:
    return digest_of(model)


@cache
def processor(root: Path = ROOT) -> str:
    """What the board, or else its processor, calls itself."""
    with suppress(OSError):
        return board(root)
    with suppress(OSError):
        if found := PROCESSOR.search((root / "proc/cpuinfo").read_text("utf-8", "replace")):
            return found[1].strip()
    return platform.machine()


def read_evidence(state_dir: Path | None = None) -> dict[str, Evidence]:
    """All that is known, by `evidence_key`; nothing where the file is not there, damaged, or of a later version."""
    path = (state_dir or default_state_dir()) / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Book).measured
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        log.warning("figures cannot be read, it goes on without", extra={"path": str(path), "error": str(error)})
        return {}


def keep_evidence(found: Mapping[str, Evidence], state_dir: Path | None = None) -> Path:
    """Add to what is known, in place of what was measured before; returns the file.

    Raises:
        UnavailableError: the folder cannot be written.
    """
    folder = state_dir or default_state_dir()
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        measured = sorted({**read_evidence(folder), **found}.items(), key=lambda item: item[1].at)
        book = _Book(measured=dict(measured[-MOST:]))
        with replaced(path) as written:
            written.write_bytes(msgspec.json.format(msgspec.json.encode(book), indent=1))
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written ({error.strerror}): run it as the user of the daemon, or name a --state-dir"
        ) from error
    return path
