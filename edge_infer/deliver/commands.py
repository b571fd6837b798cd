"""Commands to a device: who may ask for what, each done once, each answered."""

import hashlib
import hmac
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import msgspec

from edge_infer.errors import EdgeInferError, UsageError
from edge_infer.mqtt.link import Message
from edge_infer.wire.payloads import ClockState, Command, Response
from edge_infer.wire.topics import Topics

log = logging.getLogger(__name__)

Arguments: TypeAlias = Mapping[str, object]
# Gives what the answer holds, at once or, where it takes longer, later; raises EdgeInferError where it cannot be done.
Action: TypeAlias = Callable[[Arguments], object]

FREE = "ping"  # changes nothing: needs no token, and is allowed where nothing else is said
REMEMBERED = 256  # commands; at one a second those of four minutes, longer than any broker redelivers
MAX_BYTES = 65536
SHOWN = 64  # characters of a name in an answer


@dataclass(frozen=True, slots=True)
class _Asked:
    """Where an answer goes, and what it carries."""

    topic: str
    correlation: bytes | None
    id: str | None


class Commands:
    """Answers what comes on `cmd/{name}`: `answer` in the thread that receives, which it never blocks.

    A command with an id (correlation data, or `id` in its body) is done once: the same again gets the same answer.
    `post` publishes the answers of actions that gave a `Future`; whoever owns the connection sets it.
    """

    def __init__(
        self,
        topics: Topics,
        actions: Mapping[str, Action],
        *,
        allowed: Collection[str] = (FREE,),
        token: str | None = None,
        clock_state: Callable[[], ClockState] = lambda: "synced",
    ) -> None:
        self.post: Callable[[Message], None] = lambda _message: None
        self._topics = topics
        self._actions = actions
        self._clock_state = clock_state
        self._lock = threading.Lock()
        self._remembered: OrderedDict[bytes, Response | None] = OrderedDict()  # None: it is being done
        self.allow(allowed, token)

    def allow(self, allowed: Collection[str], token: str | None) -> None:
        """From now on these, and all but `ping` only with this token."""
        self._rules = (sorted(set(allowed) & set(self._actions)), token)

    def answer(self, message: Message) -> Message | None:
        """The answer; None where it comes later."""
        name = message.topic.rsplit("/", 1)[-1]
        asked = _Asked(self._topics.response(name), message.correlation, None)
        try:
            body = _body(message.payload)
            command = msgspec.convert(body, Command)
            asked = replace(asked, id=command.id)
            asked = replace(asked, topic=self._reply_topic(message, command, asked.topic))
            self._authorise(name, command.token)
            arguments = {key: value for key, value in body.items() if key not in Command.__struct_fields__}
            key = _key(name, asked, arguments)
        except UsageError as error:
            return _message(asked, Response(id=asked.id, ok=False, error=str(error)))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return _message(asked, Response(id=asked.id, ok=False, error=f"the command is not understood: {error}"))
        return self._once(key, asked, partial(self._do, name, arguments, command.not_after))

    def _reply_topic(self, message: Message, command: Command, default: str) -> str:
        """Where the answer goes.

        Raises:
            UsageError: where it would be read as a command, an acknowledgement, or something else that the device says.
        """
        topic = message.response_topic or command.reply_to
        if topic is None:
            return default
        root = f"{self._topics.root}/"
        device, _, rest = topic.removeprefix(root).partition("/") if topic.startswith(root) else ("", "", "")
        kind = rest.split("/", 1)[0]
        if {"#", "+", "\0"} & set(topic) or topic.startswith("$"):
            raise UsageError("the topic for the answer is none: no wildcards, no '$' at its beginning")
        if kind in ("cmd", "ack") or (device == self._topics.device and kind != "res"):
            raise UsageError(
                f"answers do not go to '{topic[: 2 * SHOWN]}': name a topic outside {root}{self._topics.device}, or "
                "below its res"
            )
        return topic

    def _authorise(self, name: str, token: str | None) -> None:
        allowed, expected = self._rules
        may = f"allowed here: {', '.join(allowed) or 'none'}"
        if name not in self._actions:
            raise UsageError(f"there is no command '{name[:SHOWN]}'; {may}")
        if name not in allowed:
            raise UsageError(f"the command '{name}' is not allowed: `commands.allow` in the configuration says; {may}")
        if expected is None or name == FREE:
            return
        if token is None or not hmac.compare_digest(token.encode(), expected.encode()):
            raise UsageError(f"the command '{name}' needs the token of this device, as `token` in its body")

    def _once(self, key: bytes | None, asked: _Asked, do: Callable[[], object]) -> Message | None:
        """Do it, or answer as before; without an id each is a new one."""
        with self._lock:
            if key is not None and key in self._remembered:
                known = self._remembered[key]
                return _message(asked, known) if known else None
            self._remember(key, None)
        try:
            outcome = do()
        except Exception as error:  # noqa: BLE001 - the boundary: whoever asked reads it
            return self._settle(key, asked, _refusal(asked, error))
        if isinstance(outcome, Future):
            outcome.add_done_callback(lambda done: self.post(self._settle(key, asked, _response(asked, done))))
            return None
        return self._settle(key, asked, Response(id=asked.id, ok=True, data=outcome))

    def _do(self, name: str, arguments: Arguments, not_after: float | None) -> object:
        if not_after is not None and self._clock_state() != "synced":
            raise UsageError("not_after cannot be judged: the clock of this device is not synchronised")
        if not_after is not None and time.time() > not_after:
            raise UsageError(f"the command came {time.time() - not_after:.1f} s too late")
        return self._actions[name](arguments)

    def _settle(self, key: bytes | None, asked: _Asked, response: Response) -> Message:
        with self._lock:
            self._remember(key, response)
        return _message(asked, response)

    def _remember(self, key: bytes | None, response: Response | None) -> None:
        if key is None:
            return
        self._remembered[key] = response
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)


def _body(payload: bytes) -> dict[str, object]:
    if len(payload) > MAX_BYTES:
        raise ValueError(f"it has {len(payload)} bytes, at most {MAX_BYTES} are read")
    return msgspec.json.decode(payload or b"{}", type=dict[str, object])


def _key(name: str, asked: _Asked, arguments: Arguments) -> bytes | None:
    """What the same command has in common with itself; None: it has no id.

    The topic of the answer is in it, since two that ask may number alike; the arguments are, since a number that is
    used for something else is something else. A digest, since an id may be long.
    """
    if asked.correlation is None and asked.id is None:
        return None
    said = (name, asked.topic, asked.correlation, asked.id, arguments)
    return hashlib.sha256(msgspec.json.encode(said, order="deterministic")).digest()


def _message(asked: _Asked, response: Response) -> Message:
    return Message(asked.topic, msgspec.json.encode(response), correlation=asked.correlation)


def _response(asked: _Asked, done: "Future[object]") -> Response:
    error = done.exception()
    return _refusal(asked, error) if error else Response(id=asked.id, ok=True, data=done.result())


def _refusal(asked: _Asked, error: BaseException) -> Response:
    if isinstance(error, EdgeInferError):
        return Response(id=asked.id, ok=False, error=str(error))
    log.error("a command failed", exc_info=error)
    return Response(id=asked.id, ok=False, error=f"a fault of ours, the log says more: {type(error).__name__}")
