"""Messages of one connection that the broker has not acknowledged, and what becomes of them."""

from collections.abc import Callable
from dataclasses import dataclass

from edge_infer.errors import UplinkError
from edge_infer.mqtt.link import Link, Message


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Sent:
    """A message on its way; without `undone` it is given up where the broker refuses it."""

    topic: str
    done: Callable[[], None]
    undone: Callable[[], None] | None


class InFlight:
    """At most `link.window` of them."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._sent: dict[int, Sent] = {}

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def full(self) -> bool:
        """No more may be sent now."""
        return len(self._sent) >= self._link.window

    def send(
        self, message: Message, done: Callable[[], None] = _nothing, undone: Callable[[], None] | None = None
    ) -> None:
        """Send; `done` is called when the broker has taken it, `undone` when it has not, or may not have.

        Raises:
            UplinkError: the connection is gone; `undone` was called.
        """
        try:
            mid = self._link.publish(message)
        except UplinkError:
            if undone:
                undone()
            raise
        if message.qos:
            self._sent[mid] = Sent(message.topic, done, undone)

    def answers(self, on_refused: Callable[[Sent, str], None]) -> None:
        """Take the broker's answers."""
        while self._link.acknowledged:
            mid, refusal = self._link.acknowledged.popleft()
            sent = self._sent.pop(mid, None)
            if sent is not None and refusal is None:
                sent.done()
            elif sent is not None and refusal is not None:
                on_refused(sent, refusal)

    def give_back(self) -> None:
        """The connection is gone: what was not answered may not have arrived."""
        for sent in self._sent.values():
            if sent.undone:
                sent.undone()
        self._sent.clear()
