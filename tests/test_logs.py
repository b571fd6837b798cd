import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from edge_infer import logs

log = logging.getLogger("edge_infer.test")


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)


def configured(form: Any, level: Any = "info") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(level, form, stream)
    return stream


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_text_has_time_level_message_and_facts() -> None:
    stream = configured("text")
    log.warning("camera lost", extra={"source": "door", "retry_s": 1.2, "live": True, "why": None})
    facts = "source=door retry_s=1.2 live=true why=null"
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,\d{{3}} WARNING  camera lost {facts}\n", stream.getvalue())


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('a"b', '"a\\"b"'),
        ("a\nb", '"a\\nb"'),
        ("grün", "grün"),
        ([1, 2], '"[1, 2]"'),
        (Path("/dev/video0"), "/dev/video0"),
        (Unprintable(), "<Unprintable>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_facts_are_quoted_where_they_would_be_misread(value: object, written: str) -> None:
    stream = configured("journal")
    log.info("read", extra={"fact": value})
    assert stream.getvalue() == f"<6>read fact={written}\n"


@pytest.mark.parametrize(("level", "number"), [("debug", 7), ("info", 6), ("warning", 4), ("critical", 2)])
def test_journal_lines_carry_the_priority_of_sd_daemon_and_no_time(level: str, number: int) -> None:
    stream = configured("journal", "debug")
    log.log(logging.getLevelNamesMapping()[level.upper()], "hello")
    assert stream.getvalue() == f"<{number}>hello\n"


def test_every_line_of_a_traceback_carries_the_priority_in_the_journal() -> None:
    stream = configured("journal")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("failed")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "<3>failed"
    assert lines[-2:] == ["<3>ValueError: two", "<3>lines"]
    assert all(line.startswith("<3>") for line in lines)


def test_json_is_one_object_a_line() -> None:
    stream = configured("json")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("camera %s", "lost", extra={"source": "dör", "n": 1, "size": (640, 480), "level": 3})
    [line] = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("time"))
    assert "ValueError: two\nlines" in entry.pop("exception")
    assert entry == {
        "level": "error",
        "logger": "edge_infer.test",
        "thread": threading.current_thread().name,
        "message": "camera lost",
        "source": "dör",
        "n": 1,
        "size": [640, 480],
        "level_": 3,
    }


def test_json_time_is_utc_with_milliseconds() -> None:
    record = logging.makeLogRecord({"created": 1_777_777_777.25, "msg": "x", "levelname": "INFO"})
    assert json.loads(logs.JsonFormatter().format(record))["time"] == "2026-05-03T03:09:37.250Z"


def test_json_tells_the_stack_that_was_asked_for() -> None:
    stream = configured("json")
    log.error("stalled", stack_info=True)
    assert "test_json_tells_the_stack" in json.loads(stream.getvalue())["stack"]


def test_facts_that_json_cannot_say_become_text() -> None:
    circle: list[Any] = []
    circle.append(circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    facts = {
        "deep": deep,
        "a": object,
        "b": {(1, 2): 3},
        "c": float("nan"),
        "d": circle,
        "e": Unprintable(),
        "f": b"\xff",
    }
    stream = configured("json")
    log.info("odd", extra=facts)
    entry = json.loads(stream.getvalue(), parse_constant=pytest.fail)
    assert entry["deep"] == "<list>"
    assert entry["a"] == "<class 'object'>"
    assert (entry["b"], entry["c"], entry["d"], entry["e"]) == ("{(1, 2): 3}", "nan", "[[...]]", "<Unprintable>")


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def warned(stream: io.StringIO) -> str:
        logs.configure("info", "auto", stream)
        log.warning("lost")
        return stream.getvalue()

    assert "\x1b[33mWARNING" in warned(Terminal())
    assert "\x1b" not in warned(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in warned(Terminal())


def test_auto_writes_for_the_journal_only_where_systemd_names_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    with path.open("w") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        logs.configure("info", "auto", stream)
        log.info("to the journal")
        assert logs.prefix("error", stream) == "<3>"
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino + 1}")
        logs.configure("info", "auto", stream)
        log.info("to a file")
        assert logs.prefix("error", stream) == ""
    first, second = path.read_text().splitlines()
    assert first == "<6>to the journal"
    assert second.endswith("INFO     to a file")


def test_configuring_again_replaces_the_stream_and_leaves_the_handlers_of_others() -> None:
    other = logging.NullHandler()
    logging.getLogger().addHandler(other)
    first, second = configured("text"), configured("text", "warning")
    log.info("unseen")
    log.warning("seen")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1
    assert other in logging.getLogger().handlers


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def a_record(message: str, level: int = logging.WARNING, **facts: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "x", "msg": message, "levelno": level, **facts})


def test_repeats_are_counted_and_told_with_the_next_one() -> None:
    clock = Clock()
    repeats = logs.CountRepeats(clock)
    assert repeats.filter(a_record("lost"))
    clock.now += 9.9
    assert not repeats.filter(a_record("lost"))
    assert not repeats.filter(a_record("lost"))
    clock.now += 0.1
    told = a_record("lost")
    assert repeats.filter(told)
    assert told.__dict__["repeats"] == 2
    clock.now += 10.0
    told = a_record("lost")
    assert repeats.filter(told)
    assert "repeats" not in told.__dict__


def test_another_source_worker_message_or_logger_is_no_repeat() -> None:
    repeats = logs.CountRepeats(Clock())
    records = [
        a_record("lost"),
        a_record("found"),
        a_record("lost", source="door"),
        a_record("lost", source="yard"),
        a_record("lost", worker="door"),
        a_record("lost", name="y"),
    ]
    assert all(repeats.filter(record) for record in records)
    assert not any(repeats.filter(record) for record in records)


@pytest.mark.parametrize("level", [logging.ERROR, logging.CRITICAL])
def test_errors_always_pass(level: int) -> None:
    repeats = logs.CountRepeats(Clock())
    assert all(repeats.filter(a_record("failed", level)) for _ in range(3))


def test_messages_that_change_all_the_time_take_no_more_than_so_much_memory() -> None:
    repeats = logs.CountRepeats(Clock())
    for i in range(logs.MAX_MESSAGES + 10):
        repeats.filter(a_record(f"message {i}"))
    assert len(repeats._seen) == logs.MAX_MESSAGES
    assert not repeats.filter(a_record(f"message {logs.MAX_MESSAGES + 9}"))
    assert repeats.filter(a_record("message 0"))


def test_what_passed_last_is_remembered_longest() -> None:
    clock = Clock()
    repeats = logs.CountRepeats(clock)
    repeats.filter(a_record("often"))
    repeats.filter(a_record("once"))
    clock.now += 11
    repeats.filter(a_record("often"))
    for i in range(logs.MAX_MESSAGES - 1):
        repeats.filter(a_record(f"message {i}"))
    assert not repeats.filter(a_record("often"))


def test_repeats_are_written_as_a_fact() -> None:
    stream = configured("journal")
    handler = logging.getLogger().handlers[-1]
    clock = Clock()
    handler.filters[:] = [logs.CountRepeats(clock)]
    for _ in range(3):
        log.info("frame dropped")
    clock.now += 11
    log.info("frame dropped")
    assert stream.getvalue().splitlines() == ["<6>frame dropped", "<6>frame dropped repeats=2"]


def test_a_thread_that_dies_is_logged_with_its_name() -> None:
    stream = configured("json")
    thread = threading.Thread(target=lambda: 1 / 0, name="infer:door")
    thread.start()
    thread.join(5.0)
    entry = json.loads(stream.getvalue())
    assert (entry["level"], entry["worker"]) == ("critical", "infer:door")
    assert "ZeroDivisionError" in entry["exception"]


def test_a_thread_that_exits_on_purpose_is_not_logged() -> None:
    stream = configured("json")
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join(5.0)
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("raised", "told"), [("ValueError('x')", True), ("KeyboardInterrupt", False)])
def test_what_ends_the_process_is_logged_except_an_interrupt(raised: str, told: bool) -> None:
    program = f"from edge_infer import logs; logs.configure(format='journal'); raise {raised}"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode != 0
    assert ended.stderr.startswith("<2>uncaught exception") == told
