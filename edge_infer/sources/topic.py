"""Readings that others publish over MQTT."""

import re
import secrets
import time

from edge_infer.errors import SourceError, UplinkError
from edge_infer.mqtt.link import Link, Message, connect
from edge_infer.sources.live_rows import SLICE_S, LiveRows
from edge_infer.sources.readings import Layout, NotARow, Row, flat, from_json
from edge_infer.sources.sensor_settings import TopicSettings
from edge_infer.sources.source import clocks

SUBSCRIBE_S = 5.0  # as a broker's answer to a connection may take, too


class TopicSource(LiveRows):
    """Each message is a row. Where the topic has wildcards, what they stand for comes before the names of the fields.

    Messages that the broker has kept are counted as "retained", unless they are asked for.
    """

    def __init__(self, settings: TopicSettings, *, name: str = "") -> None:
        broker, topic = settings.broker(), settings.topic
        super().__init__(
            name or topic,
            f"topic {topic} of {broker.url}",
            Layout(settings.channels, settings.units, settings.time),
            time_unit=settings.time_unit,
            timeout_s=settings.timeout_s,
        )
        self._retained = settings.retained
        self._wild = _wildcards(topic)
        client_id = settings.client_id or f"edge-infer-{secrets.token_hex(4)}"
        try:
            self._link: Link = connect(broker, client_id, subscribe=(topic,), on_message=self._came)
            self._await_subscription()
        except UplinkError as error:
            raise SourceError(str(error)) from error

    def close(self) -> None:
        """Say goodbye to the broker."""
        self.interrupt()
        self._waiting.clear()
        self._link.close()

    def _await_subscription(self) -> None:
        deadline = time.monotonic() + SUBSCRIBE_S
        while not self._link.subscribed and time.monotonic() < deadline:
            self._link.wait(SLICE_S)
        if self._link.refused or not self._link.subscribed:
            self._link.close()
            why = self._link.refused[0][1] if self._link.refused else "it does not answer"
            raise SourceError(f"{self._shown}: the broker does not let us subscribe ({why})")

    def _wait(self, seconds: float) -> None:
        try:
            self._link.wait(seconds)
        except UplinkError as error:
            raise SourceError(str(error)) from error

    def _came(self, message: Message) -> None:
        if message.retain and not self._retained:
            self.skipped["retained"] += 1
            return
        item: Row | str
        try:
            item = self._row(message)
        except NotARow as error:
            item = error.cause
        self._take([item], *clocks())

    def _row(self, message: Message) -> Row:
        if self._wild is None:
            return self._layout.json(message.payload)
        place = self._wild.fullmatch(message.topic)
        matched = "/".join(filter(None, place.groups())) if place else ""
        return self._layout.fields(flat(from_json(message.payload), matched))


def _wildcards(topic: str) -> re.Pattern[str] | None:
    """What tells which part of a topic its wildcards stand for; None where there are none.

    `a/#` is `a`, too. Source: MQTT 5 specification, 4.7.1.2.
    """
    if not {"+", "#"} & set(topic.split("/")):
        return None
    before, several, _ = topic.partition("#")
    levels = [r"([^/]*)" if level == "+" else re.escape(level) for level in before.rstrip("/").split("/")]
    return re.compile("/".join(levels) + (r"(?:/(.*))?" if several and before else r"(.*)" if several else ""))
