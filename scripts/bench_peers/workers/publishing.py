"""paho as its users have it: one client, its own thread, QoS 1."""

import threading
from collections import deque
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from bench_peers.workers.turns import Turns

ANSWER_S = 10.0


class Publishing:
    """Publishes what was found; a frame is done when the broker says so. PUBACKs come in order (MQTT 3.1.1, 4.6)."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._sent: deque[int] = deque()
        self._order = threading.Lock()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_publish = self._acknowledged
        host, port = turns.given.url.removeprefix("mqtt://").split(":")
        self._client.connect(host, int(port))
        self._client.loop_start()

    def send(self, number: int, payload: bytes, *, wait: bool = False) -> None:
        """Publish; `wait` until it is acknowledged."""
        with self._order:
            self._sent.append(number)
            info = self._client.publish("bench/peer", payload, qos=1)
        if wait:
            info.wait_for_publish(ANSWER_S)

    def _acknowledged(self, *_: Any) -> None:
        self._turns.done(self._sent.popleft())
