import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from waiting import until

from edge_infer.errors import StalledError, UnavailableError
from edge_infer.health import status_socket
from edge_infer.health.status_socket import NAME, StatusSocket, ask

Serve = Callable[..., StatusSocket]
ANOTHER = """
import sys, time
from pathlib import Path
from edge_infer.health.status_socket import StatusSocket
StatusSocket(Path(sys.argv[1]), lambda: b"another").start()
print("serves", flush=True)
time.sleep(60)
"""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serves a document in a folder until the end of the test."""
    with ExitStack() as stack:

        def serve(
            document: Callable[[], bytes] = lambda: b"well", folder: Path = tmp_path, public: bool = False
        ) -> StatusSocket:
            server = StatusSocket(folder, document, public=public)
            server.start()
            stack.callback(server.close)
            return server

        yield serve


def another(folder: Path) -> "subprocess.Popen[bytes]":
    """A process that serves in this folder."""
    process = subprocess.Popen([sys.executable, "-c", ANOTHER, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"serves\n"
    return process


def end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait(10.0)
    assert process.stdout
    process.stdout.close()


def test_who_asks_is_answered_each_time_anew(serve: Serve) -> None:
    answers = iter([b"one", b"two"])
    server = serve(lambda: next(answers))
    assert [ask(server.path, 5.0), ask(server.path, 5.0)] == [b"one", b"two"]


def test_a_folder_with_a_long_name_will_do(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["a-long-name-of-a-folder"] * 12)
    assert len(os.fsencode(folder)) > 108
    assert ask(serve(folder=folder).path, 5.0) == b"well"


def test_where_nobody_serves_there_is_no_answer(tmp_path: Path) -> None:
    assert ask(tmp_path / NAME, 5.0) is None
    assert ask(tmp_path / "no-such-folder" / NAME, 5.0) is None


def test_what_a_killed_daemon_left_behind_is_replaced(serve: Serve, tmp_path: Path) -> None:
    end(another(tmp_path))
    assert (tmp_path / NAME).is_socket()
    assert ask(tmp_path / NAME, 5.0) is None
    assert ask(serve().path, 5.0) == b"well"
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_two_daemons_in_one_folder_are_told_apart(serve: Serve, tmp_path: Path) -> None:
    first = another(tmp_path)
    try:
        second = serve()
        assert second.path.name == f"status-{os.getpid()}.sock"
        assert ask(tmp_path / NAME, 5.0) == b"another"
        assert ask(second.path, 5.0) == b"well"
    finally:
        end(first)


def test_a_third_daemon_leaves_the_living_alone_and_clears_up_after_the_dead(serve: Serve, tmp_path: Path) -> None:
    first, second, third = another(tmp_path), another(tmp_path), another(tmp_path)
    try:
        for dead in (first, second):
            end(dead)
        assert serve().path.name == NAME
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([NAME, f"status-{third.pid}.sock"])
        assert ask(tmp_path / f"status-{third.pid}.sock", 5.0) == b"another"
    finally:
        end(third)


def test_only_a_public_socket_is_open_to_everyone(serve: Serve, tmp_path: Path) -> None:
    everyone = stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH
    assert stat.S_IMODE(serve(folder=tmp_path / "public", public=True).path.stat().st_mode) == everyone
    assert not serve(folder=tmp_path / "own").path.stat().st_mode & stat.S_IWOTH


def test_those_who_ask_and_do_not_read_hold_up_nobody(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_socket, "SEND_S", 0.05)
    document = b"x" * 5_000_000  # more than the kernel keeps for them
    server = serve(lambda: document)
    with ExitStack() as stack:
        for _ in range(5):
            silent = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            silent.connect(str(server.path))
        assert ask(server.path, 20.0) == document


def test_a_document_that_cannot_be_made_is_told_and_the_next_one_comes(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    documents = iter([lambda: 1 / 0, lambda: b"well"])
    server = serve(lambda: next(documents)())
    with pytest.raises(StalledError, match="has no answer: its log says why"):
        ask(server.path, 5.0)
    assert "the status cannot be told" in caplog.text
    assert ask(server.path, 5.0) == b"well"


def test_a_process_that_hangs_as_a_whole_is_told_from_none(tmp_path: Path) -> None:
    process = another(tmp_path)
    try:
        process.send_signal(signal.SIGSTOP)
        tasks = list(Path(f"/proc/{process.pid}/task").glob("*/stat"))
        until(lambda: all(task.read_text().rpartition(")")[2].split()[0] == "T" for task in tasks), what="its stop")
        with pytest.raises(StalledError, match=r"gave no answer for 0.2 s: kill -USR1"):
            ask(tmp_path / NAME, 0.2)
    finally:
        end(process)


def test_a_socket_that_we_cannot_use_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(tmp_path / NAME))
        with pytest.raises(UnavailableError, match=r"cannot ask at .*: Protocol wrong type"):
            ask(tmp_path / NAME, 5.0)


def test_an_endless_answer_is_cut_off(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_socket, "MAX_BYTES", 1000)
    server = serve(lambda: b"x" * 2000)
    with pytest.raises(UnavailableError, match="says more than 1000 bytes"):
        ask(server.path, 5.0)


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    before = set(Path("/proc/self/fd").iterdir())
    server = StatusSocket(tmp_path / "state", lambda: b"well")
    server.start()
    assert ask(server.path, 5.0) == b"well"
    server.close()
    assert list((tmp_path / "state").iterdir()) == []
    assert set(Path("/proc/self/fd").iterdir()) == before
    until(lambda: "status" not in [thread.name for thread in threading.enumerate()], what="the end of the thread")
