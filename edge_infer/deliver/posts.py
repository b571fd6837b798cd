"""What is said once rather than kept: the state of the device, and answers to commands."""

import threading
from collections import deque

from edge_infer.mqtt.link import Message

MAX_UNSENT = 1000  # older ones are left out where the broker is away that long


class Posts:
    """Messages that wait to be sent, in order. Any thread may call `add`."""

    def __init__(self) -> None:
        self._state: dict[str, Message] = {}  # newest retained message of each topic
        self._unsent: deque[Message] = deque(maxlen=MAX_UNSENT)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._unsent)

    def add(self, message: Message) -> None:
        """Send it; what is retained again after each reconnect, the newest of its topic."""
        with self._lock:
            if message.retain:
                self._state[message.topic] = message
            self._unsent.append(message)

    def again(self) -> None:
        """The connection is another: all state is sent anew."""
        with self._lock:
            others = [message for message in self._unsent if not message.retain]
            self._unsent = deque([*self._state.values(), *others], maxlen=MAX_UNSENT)

    def pop(self) -> Message | None:
        """The next one."""
        with self._lock:
            return self._unsent.popleft() if self._unsent else None

    def forget(self, topic: str) -> None:
        """The broker refuses it: it is not said again until it changes."""
        with self._lock:
            self._state.pop(topic, None)
