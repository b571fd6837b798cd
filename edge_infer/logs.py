"""Logging for a terminal, journald, or a log shipper. A message is a constant sentence, its facts are in `extra`:

log.warning("camera lost", extra={"source": "door", "retry_s": 1.2})
"""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, TextIO, TypeAlias

Level: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]
Format: TypeAlias = Literal["auto", "text", "journal", "json"]

QUIET_S = 10.0  # a message that comes again within this time is counted: six lines a minute stay readable
MAX_MESSAGES = 1000  # different messages that are remembered; the program has fewer than 200
_HANDLER = "edge_infer"
# Source: sd-daemon(3), the priorities of syslog(3)
_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
# Source: ECMA-48 8.3.117 (SGR): grey, yellow, red, red and bold
_COLOURS = {"DEBUG": "\x1b[90m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[1;31m"}
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

log = logging.getLogger(__name__)


def configure(level: Level = "info", format: Format = "auto", stream: TextIO | None = None) -> None:  # noqa: A002
    """Send all logs to `stream` (stderr), and log what would end a thread or the process unseen.

    Args:
        level: the least that is written
        format: "auto" is "journal" where systemd reads the stream, else "text"
        stream: where to; calling again replaces it
    """
    stream = stream or sys.stderr
    if format == "auto":
        format = "journal" if _is_journal(stream) else "text"  # noqa: A001
    handler = logging.StreamHandler(stream)
    handler.name = _HANDLER
    handler.setFormatter(_formatter(format, stream))
    handler.addFilter(CountRepeats())
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if handler.name == _HANDLER]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_thread_end


class CountRepeats(logging.Filter):
    """Lets a message through once in `QUIET_S` for each source or worker; the next one says how many came between.

    Errors always pass. Any thread may log.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, ...], tuple[float, int]] = {}  # when it passed, how often it did not since

    def filter(self, record: logging.LogRecord) -> bool:
        """False for a repeat; adds `repeats` to the record that comes after repeats."""
        if record.levelno >= logging.ERROR:
            return True
        about = (getattr(record, "source", ""), getattr(record, "worker", ""))
        key = (record.name, _text(record.msg), *map(_text, about))
        now = self._clock()
        with self._lock:
            passed, repeats = self._seen.get(key, (now - QUIET_S, 0))
            if now - passed < QUIET_S:
                self._seen[key] = passed, repeats + 1
                return False
            self._seen.pop(key, None)  # to the end: the first is the one that passed longest ago
            self._seen[key] = now, 0
            if len(self._seen) > MAX_MESSAGES:
                del self._seen[next(iter(self._seen))]
        if repeats:
            record.repeats = repeats
        return True


class LogfmtFormatter(logging.Formatter):
    """`2026-05-01 12:00:00,123 WARNING  camera lost source=door retry_s=1.2`."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__("%(asctime)s")
        self._colour = colour

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Time, level, message and facts."""
        level = f"{record.levelname:<8}"
        if self._colour and record.levelname in _COLOURS:
            level = f"{_COLOURS[record.levelname]}{level}\x1b[0m"
        return f"{record.asctime} {level} {_sentence(record)}"


class JournalFormatter(logging.Formatter):
    """`<4>camera lost source=door`: each line with the priority that journald files it under."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Message and facts; journald knows the time."""
        return _sentence(record)

    def format(self, record: logging.LogRecord) -> str:
        """All lines, those of a traceback too."""
        prefix = _priority(record.levelname)
        return "\n".join(prefix + line for line in super().format(record).splitlines())


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The facts beside time, level, logger, thread, message and exception; one of the same name gets a `_`."""
        fixed = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fixed["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fixed["stack"] = record.stack_info
        facts = {f"{name}_" if name in fixed else name: _plain(value) for name, value in _extras(record).items()}
        return json.dumps(fixed | facts)


def _formatter(format: Format, stream: TextIO) -> logging.Formatter:  # noqa: A002
    if format == "json":
        return JsonFormatter()
    if format == "journal":
        return JournalFormatter()
    # Source: no-color.org: set and not empty
    return LogfmtFormatter(colour=stream.isatty() and not os.environ.get("NO_COLOR"))


def prefix(level: str, stream: TextIO) -> str:
    """What a line that is no log begins with to be filed under this level; empty unless systemd reads the stream."""
    return _priority(level.upper()) if _is_journal(stream) else ""


def _priority(level: str) -> str:
    return f"<{_PRIORITIES.get(level, 6)}>"


def _is_journal(stream: TextIO) -> bool:
    """True if systemd says that it reads this stream. Source: systemd.exec(5), $JOURNAL_STREAM."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file behind it, or closed
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {str(name): value for name, value in record.__dict__.items() if name not in _STANDARD}


def _sentence(record: logging.LogRecord) -> str:
    facts = [f"{name}={_logfmt(value)}" for name, value in _extras(record).items()]
    return " ".join([record.getMessage(), *facts])


def _logfmt(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    text = _text(value)
    bare = text and text.isprintable() and not any(character in ' "=' for character in text)
    return text if bare else json.dumps(text, ensure_ascii=False)


def _plain(value: object) -> Any:
    """The value if JSON can say it, else its text."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return _text(value)
    return value


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a log line must not end what it tells about
        return f"<{type(value).__name__}>"


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        log.critical("uncaught exception, the process ends", exc_info=(kind, error, trace))


def _log_thread_end(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is None or issubclass(ended.exc_type, SystemExit):  # SystemExit is how a thread may end itself
        return
    worker = ended.thread.name if ended.thread else "unknown"
    info = (ended.exc_type, ended.exc_value, ended.exc_traceback)
    log.critical("uncaught exception, a thread ends", exc_info=info, extra={"worker": worker})
