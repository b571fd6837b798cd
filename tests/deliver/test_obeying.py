"""Which commands are obeyed, how often, and how they are answered."""

import threading
import time
from concurrent.futures import Future
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.deliver.commands import MAX_BYTES, REMEMBERED, Commands
from edge_infer.errors import UsageError
from edge_infer.mqtt.link import Message
from edge_infer.wire.payloads import ClockState, Response
from edge_infer.wire.topics import Topics


class Device:
    """Commands whose actions note what was asked."""

    def __init__(self, **options: Any) -> None:
        self.done: list[tuple[str, dict[str, object]]] = []
        self.posted: list[Message] = []
        self.clock: ClockState = "synced"
        self.later: Future[object] = Future()
        self.commands = Commands(
            Topics("porch"),
            {
                "ping": self._note("ping"),
                "pause": self._note("pause"),
                "later": lambda _: self.later,
                "fail": self._fail,
            },
            clock_state=lambda: self.clock,
            **{"allowed": ("ping", "pause", "later", "fail"), **options},
        )
        self.commands.post = self.posted.append

    def _note(self, name: str) -> Any:
        def act(arguments: Any) -> object:
            self.done.append((name, dict(arguments)))
            return {"times": len(self.done)}

        return act

    def _fail(self, arguments: Any) -> object:
        if arguments:
            raise UsageError("there is no pipeline 'x'")
        raise ZeroDivisionError("secret detail")

    def ask(self, name: str, body: object = None, **options: Any) -> Message | None:
        payload = body if isinstance(body, bytes) else msgspec.json.encode(body or {})
        return self.commands.answer(Message(f"edge/v1/porch/cmd/{name}", payload, **options))

    def hear(self, name: str, body: object = None, **options: Any) -> Response:
        answer = self.ask(name, body, **options)
        assert answer is not None
        return said(answer)


def said(message: Message) -> Response:
    return msgspec.json.decode(message.payload, type=Response)


def test_an_action_gets_what_the_body_says_beyond_the_command_itself() -> None:
    device = Device(token="t")
    device.hear(
        "pause",
        {"id": "1", "reply_to": "me", "not_after": time.time() + 60, "token": "t", "pipeline": "door", "x": [1]},
    )
    assert device.done == [("pause", {"pipeline": "door", "x": [1]})]


@pytest.mark.parametrize("asked", [{"correlation": b"\x00\xff", "response_topic": "me"}, {}], ids=["MQTT 5", "3.1.1"])
def test_the_same_command_again_gets_the_same_answer_and_is_not_done(asked: dict[str, Any]) -> None:
    device, body = Device(), {"pipeline": "door"} if asked else {"pipeline": "door", "id": "7"}
    first, again = device.ask("pause", body, **asked), device.ask("pause", body, **asked)
    assert first == again
    assert len(device.done) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"pipeline": "door", "id": "8"},
        {"pipeline": "yard", "id": "7"},
        {"pipeline": "door", "id": "7", "reply_to": "you"},
    ],
    ids=str,
)
def test_another_id_argument_or_topic_is_another_command(other: dict[str, str]) -> None:
    device = Device()
    device.hear("pause", {"pipeline": "door", "id": "7"})
    assert device.hear("pause", other).data == {"times": 2}


def test_the_same_command_with_a_later_deadline_is_the_same() -> None:
    device = Device()
    for deadline in (60, 120):
        device.hear("pause", {"id": "7", "not_after": time.time() + deadline})
    device.clock = "unsynced"
    assert device.hear("pause", {"id": "7", "not_after": 1.0}).ok, "it was in time when it was done"
    assert len(device.done) == 1


def test_without_an_id_each_is_done() -> None:
    device = Device()
    assert [device.hear("pause").data["times"] for _ in range(3)] == [1, 2, 3]


def test_so_many_are_remembered_and_the_oldest_is_forgotten() -> None:
    device = Device()
    for number in range(REMEMBERED + 1):
        device.hear("pause", {"id": str(number)})
    device.hear("pause", {"id": str(REMEMBERED)})
    device.hear("pause", {"id": "1"})
    assert len(device.done) == REMEMBERED + 1
    device.hear("pause", {"id": "0"})
    assert len(device.done) == REMEMBERED + 2


def test_an_answer_that_takes_longer_is_posted_once_and_then_remembered() -> None:
    device = Device()
    assert device.ask("later", {"id": "7"}) is None
    assert device.ask("later", {"id": "7"}) is None, "it is being done"
    assert device.posted == []
    worker = threading.Thread(target=lambda: device.later.set_result({"restarted": ["door"]}))
    worker.start()
    worker.join()
    assert [said(message) for message in device.posted] == [Response(id="7", ok=True, data={"restarted": ["door"]})]
    assert device.posted[0].topic == "edge/v1/porch/res/later"
    assert device.ask("later", {"id": "7"}) == device.posted[0]


def test_what_an_action_refuses_is_told_and_remembered() -> None:
    device = Device()
    assert device.hear("fail", {"pipeline": "x", "id": "1"}).error == "there is no pipeline 'x'"
    assert device.hear("fail", {"pipeline": "x", "id": "1"}).error == "there is no pipeline 'x'"
    device.ask("later")
    device.later.set_exception(UsageError("not now"))
    assert said(device.posted[0]).error == "not now"


def test_a_fault_of_ours_is_answered_without_its_details_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert Device().hear("fail").error == "a fault of ours, the log says more: ZeroDivisionError"
    assert "secret detail" in caplog.text


def test_a_command_that_comes_too_late_is_refused() -> None:
    device = Device()
    response = device.hear("pause", {"id": "1", "not_after": time.time() - 10})
    assert response.error is not None
    assert "s too late" in response.error
    assert device.done == []
    assert device.hear("pause", {"id": "2", "not_after": time.time() + 60}).ok


def test_with_an_unsynchronised_clock_a_deadline_is_refused_and_all_else_done() -> None:
    device = Device()
    device.clock = "unsynced"
    assert "is not synchronised" in str(device.hear("pause", {"not_after": time.time() + 60}).error)
    assert device.done == []
    assert device.hear("pause").ok


def test_what_is_not_allowed_is_refused_and_what_is_allowed_is_named() -> None:
    device = Device(allowed=("ping", "later"))
    assert device.hear("pause").error == (
        "the command 'pause' is not allowed: `commands.allow` in the configuration says; allowed here: later, ping"
    )
    assert device.hear("pauze").error == ("there is no command 'pauze'; allowed here: later, ping")
    assert device.done == []
    device.commands.allow(("pause",), None)
    assert device.hear("pause").ok
    assert "allowed here: pause" in str(device.hear("ping").error)


@pytest.mark.parametrize("token", [None, "", "open barley", "öpen", "open sesame "])
def test_without_the_token_only_ping_is_done(token: str | None) -> None:
    device = Device(token="open sesame")
    wrong = device.hear("pause", {"id": "1", "token": token})
    assert wrong.error == "the command 'pause' needs the token of this device, as `token` in its body"
    assert device.hear("ping", {"token": token}).ok
    assert device.hear("pause", {"id": "1", "token": "open sesame"}).ok, "the refusal is not remembered"
    assert "needs the token" in str(device.hear("pause", {"id": "1", "token": token}).error), "nor is the answer told"


@pytest.mark.parametrize(
    "topic",
    [
        "edge/v1/porch/cmd/ping",
        "edge/v1/porch/ack",
        "edge/v1/porch/status",
        "edge/v1/porch/results/door",
        "edge/v1/porch",
        "edge/v1/yard/cmd/restart",
        "edge/v1/yard/ack",
        "a/#",
        "a/+/b",
        "a\0b",
        "$SYS/broker",
    ],
)
def test_an_answer_goes_nowhere_where_it_would_be_taken_for_something_else(topic: str) -> None:
    device = Device()
    for answer in (device.ask("pause", {"id": "1", "reply_to": topic}), device.ask("pause", response_topic=topic)):
        assert answer is not None
        assert answer.topic == "edge/v1/porch/res/pause"
        assert not said(answer).ok
    assert device.done == []


@pytest.mark.parametrize(
    "topic", ["me", "edge/v1/ops/answers", "edge/v1/porch/res/me", "edge/v10/porch/cmd/x", "/", "a/cmd/b"]
)
def test_an_answer_may_go_anywhere_else(topic: str) -> None:
    answer = Device().ask("ping", response_topic=topic, correlation=b"1")
    assert answer is not None
    assert (answer.topic, answer.correlation, said(answer).ok) == (topic, b"1", True)


def test_a_huge_command_is_refused_unread() -> None:
    device = Device()
    response = device.hear("ping", b'{"x": "' + b"y" * MAX_BYTES + b'"}', response_topic="me")
    assert (
        response.error == f"the command is not understood: it has {MAX_BYTES + 9} bytes, at most {MAX_BYTES} are read"
    )
    assert device.done == []


BODY = msgspec.json.encode(
    {"id": "7", "reply_to": "me/there", "not_after": 4e9, "token": "t", "pipeline": "door", "min_score": 0.5, "x": [{}]}
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def mutated(cuts: list[tuple[int, int, bytes]]) -> bytes:
    """The body with pieces of it replaced."""
    body = BODY
    for start, length, piece in cuts:
        at = start % len(body) if body else 0
        body = body[:at] + piece + body[at + length :]
    return body


@given(
    name=st.sampled_from(["ping", "pause", "fail", ""])
    | st.text(st.characters(exclude_characters="/#+\0", codec="utf-8")),
    payload=st.binary()
    | st.builds(
        mutated, st.lists(st.tuples(st.integers(0, 200), st.integers(0, 20), st.binary(max_size=9)), max_size=4)
    )
    | st.builds(
        msgspec.json.encode, st.dictionaries(st.sampled_from(["id", "reply_to", "not_after", "token", "x"]), VALUES)
    ),
    topic=st.none() | st.text(),
    correlation=st.none() | st.binary(),
)
def test_whatever_comes_is_answered(name: str, payload: bytes, topic: str | None, correlation: bytes | None) -> None:
    answer = Device(token="t").ask(name, payload, response_topic=topic, correlation=correlation)
    assert answer is not None
    assert answer.correlation == correlation
    assert said(answer).ok or said(answer).error


@pytest.mark.parametrize(
    "payload", [b"[" * MAX_BYTES, b'{"x":' * (MAX_BYTES // 6), b'{"not_after": 1e999}', b'{"id": "\\ud800"}']
)
def test_a_bomb_is_answered(payload: bytes) -> None:
    assert "not understood" in str(Device().hear("ping", payload).error)
