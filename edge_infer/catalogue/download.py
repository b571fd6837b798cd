"""A file from the network: resumed where it broke off, never larger than it should be, never another one."""

import logging
import os
import re
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse
from io import FileIO
from pathlib import Path

import msgspec

from edge_infer.bundle.digest import digest_of
from edge_infer.catalogue import web
from edge_infer.catalogue.table import Download
from edge_infer.errors import ModelError, TransientError, UnavailableError
from edge_infer.flow.backoff import Backoff

log = logging.getLogger(__name__)

# For files of unknown size. Source: the catalogue's largest have 25 MB; the largest public TFLite model for an edge
# device that we know of, DeepLab in float, has 60 MB.
MAX_BYTES = 256 * 2**20
CHUNK = 1 << 16
ATTEMPTS = 5  # with the waits between them, whoever is offline knows within half a minute
SLOW_BYTES, SLOW_S = 10_000, 60.0  # a server that gives less in this time is as good as hung
PART = ".part"  # ends the name of what is not complete yet

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")  # Source: RFC 9110 section 14.4

Progress = Callable[[int, int | None], object]  # bytes that are here, bytes in all if that is known


class _State(msgspec.Struct, frozen=True):
    """Beside a part: which state of which address it is of."""

    url: str
    validator: str


def fetch(wanted: Download, urls: tuple[str, ...], target: Path, progress: Progress) -> str:
    """Bring a file from the first address that gives it; returns its sha256.

    What came before an interruption lies beside `target`, and is not fetched again.

    Raises:
        UnavailableError: no address gives it, or the disk takes nothing.
        ModelError: what came is another file; it is removed.
    """
    part = _part(target)
    failures: list[UnavailableError] = []
    for url in urls:
        try:
            in_one_go = _patiently(url, wanted, part, progress)
            digest = digest_of(part)
            if not in_one_go and wanted.sha256 not in (None, digest):  # its pieces are of different states
                _drop(part)
                _patiently(url, wanted, part, progress)
            return _finish(wanted, part, target, url)
        except UnavailableError as error:
            failures.append(error)
    raise failures[0] if len(failures) == 1 else UnavailableError("; ".join(map(str, failures)))


def copy(wanted: Download, source: Path, target: Path) -> str:
    """Bring a file from a folder; returns its sha256.

    Raises:
        UnavailableError: it is not there, or the disk takes nothing.
        ModelError: it is another file.
    """
    part = _part(target)
    try:
        shutil.copyfile(source, part)
    except OSError as error:
        raise UnavailableError(f"cannot copy {source}: {error.strerror}") from error
    return _finish(wanted, part, target, str(source))


def _finish(wanted: Download, part: Path, target: Path, origin: str) -> str:
    """See that it is the right file, and give it its name."""
    digest = digest_of(part)
    size = part.stat().st_size
    if wanted.sha256 not in (None, digest) or wanted.size not in (None, size):
        _drop(part)
        raise ModelError(
            f"{origin} is another file than the catalogue describes: sha256 {digest} of {size} bytes, expected "
            f"{wanted.sha256 or 'any'} of {wanted.size or 'any number of'} bytes; it is removed. Pull again, or "
            "upgrade edge-infer: the model may have a new version"
        )
    with _written(target):
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.chmod(0o644)  # services read it, whoever pulls it
        part.replace(target)
        _state_file(part).unlink(missing_ok=True)
    return digest


def _patiently(url: str, wanted: Download, part: Path, progress: Progress) -> bool:
    """Complete a part, trying again where that may work; False if pieces of it are of several answers."""
    if wanted.sha256 and _size(part) and digest_of(part) == wanted.sha256:
        return True
    backoff = Backoff(base=0.5, cap=10.0)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _receive(url, wanted, part, progress)
        except TransientError as error:
            if attempt == ATTEMPTS:
                raise UnavailableError(f"{error}, {ATTEMPTS} times: pull again later; what came is kept") from error
            delay = backoff.next_delay()
            log.warning("%s, trying again in %.1f s", error, delay)
            time.sleep(delay)
    raise AssertionError  # the last attempt has returned or raised


def _receive(url: str, wanted: Download, part: Path, progress: Progress) -> bool:
    """Ask once; True if all came in this answer."""
    begin, headers = _resumption(url, wanted, part)
    try:
        with web.answered(url, {"Accept-Encoding": "identity", **headers}) as response:
            begin, total = _place(response, begin, part)
            if wanted.size and total and total != wanted.size:
                _drop(part)
                raise ModelError(f"{url} gives {total} bytes, the catalogue says {wanted.size}: it is another file")
            _keep_state(part, url, response)
            _write(response, part, begin, wanted.size or MAX_BYTES, lambda done: progress(done, wanted.size or total))
    except web.StatusError as error:
        if error.status != 416:  # the part is longer than the file: it is of another state
            raise
        _drop(part)
        raise TransientError(f"{url} has become shorter") from error
    expected, came = wanted.size or total, _size(part)
    if expected and came < expected:
        raise TransientError(f"the connection broke off after {came} of {expected} bytes of {url}")
    return begin == 0


def _resumption(url: str, wanted: Download, part: Path) -> tuple[int, dict[str, str]]:
    """Where to go on, and how to ask for it: only where a mixture of two states would be noticed."""
    begin, state = _size(part), _state(part)
    if not begin:
        return 0, {}
    if state and state.url == url:
        return begin, {"Range": f"bytes={begin}-", "If-Range": state.validator}
    return (begin, {"Range": f"bytes={begin}-"}) if wanted.sha256 else (0, {})


def _place(response: HTTPResponse, begin: int, part: Path) -> tuple[int, int | None]:
    """Where in the file the answer begins, and how long the file is."""
    if response.status == 206:
        found, state = _RANGE.fullmatch(response.headers.get("Content-Range", "")), _state(part)
        changed = state and state.validator != (_validator(response) or state.validator)
        if not found or int(found[1]) != begin or changed or _packed(response):
            _drop(part)
            raise TransientError(f"{response.url} does not go on where it was asked to")
        return begin, None if found[2] == "*" else int(found[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() and not _packed(response) else None


def _write(response: HTTPResponse, part: Path, begin: int, limit: int, progress: Callable[[int], object]) -> None:
    done, mark, since = begin, begin, time.monotonic()
    with _written(part):
        opened = FileIO(part, "ab" if begin else "wb")
    with opened as file:
        for data in _body(response):
            done += len(data)
            if done > limit:
                _drop(part)
                raise ModelError(f"{response.url} gives more than {limit} bytes: it is another file")
            _put(file, data, part)
            progress(done)
            if time.monotonic() - since > SLOW_S:
                if done - mark < SLOW_BYTES:
                    raise TransientError(f"{response.url} gives {done - mark} bytes in {SLOW_S:g} s")
                mark, since = done, time.monotonic()


def _body(response: HTTPResponse) -> Iterator[bytes]:
    if not _packed(response):
        while chunk := response.read1(CHUNK):
            yield chunk
        return
    inflate = zlib.decompressobj(wbits=31)  # 31: gzip
    try:
        while chunk := response.read1(CHUNK):
            yield inflate.decompress(chunk)
    except zlib.error as error:
        raise TransientError(f"{response.url} is packed in a way that cannot be read ({error})") from error
    if not inflate.eof:
        raise TransientError(f"{response.url} broke off")


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Errors of the disk, which would else be taken for those of the connection."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"cannot write {path}: {error.strerror}") from error


def _put(file: FileIO, data: bytes, part: Path) -> None:
    """Write it all, past buffers: whoever kills us now finds it when it goes on."""
    with _written(part):
        while data:
            data = data[file.write(data) :]


def _packed(response: HTTPResponse) -> bool:
    return response.headers.get("Content-Encoding", "identity").lower() in ("gzip", "x-gzip")


def _validator(response: HTTPResponse) -> str | None:
    """What tells one state of the file from another. Source: RFC 9110 section 13.1.5: no weak ETag."""
    etag: str | None = response.headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _keep_state(part: Path, url: str, response: HTTPResponse) -> None:
    validator = None if _packed(response) else _validator(response)
    with _written(part):
        if validator:
            _state_file(part).write_bytes(msgspec.json.encode(_State(url, validator)))
        else:
            _state_file(part).unlink(missing_ok=True)


def _state(part: Path) -> _State | None:
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(_state_file(part).read_bytes(), type=_State)
    return None


def _part(target: Path) -> Path:
    return target.with_name(target.name + PART)


def _state_file(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _drop(part: Path) -> None:
    with _written(part):
        part.unlink(missing_ok=True)
        _state_file(part).unlink(missing_ok=True)
