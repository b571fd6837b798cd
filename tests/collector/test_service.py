"""The collector at a real broker."""

import json
import logging
from pathlib import Path

import pytest
from broker import Mosquitto, Subscriber, with_acl, with_password
from mqtt_proxy import Proxy
from running import Collecting, acknowledged, acks
from said import MemoryDatabase, envelope, gaps, status
from waiting import until

from edge_infer.collector import intake, service
from edge_infer.collector.arrivals import DatabaseError
from edge_infer.collector.service import Collector
from edge_infer.errors import UnavailableError, UplinkError
from edge_infer.mqtt.broker import Broker
from edge_infer.wire.payloads import Ack, Gap

DOOR = "edge/v1/porch/results/door"
PRESENCE = "edge/v1/_collector/night/status"


def test_what_a_device_publishes_is_stored_and_acknowledged(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting
) -> None:
    running = collecting(mosquitto.url).collects()
    subscriber.send(DOOR, envelope(1, 3))
    subscriber.send("edge/v1/porch/events/door", envelope(4, 1))
    subscriber.send("edge/v1/porch/results/_health", envelope(5, 1))
    subscriber.send("edge/v1/porch/gaps", gaps(Gap(epoch=1, first=6, last=9, reason="full")))
    until(lambda: acknowledged(subscriber) == {1, 2, 3, 4, 5}, what="the acknowledgement of five")
    until(lambda: any(ack.gaps == ((1, 6),) for ack in acks(subscriber)), what="that of the gap")
    assert running.database.seqs() == [1, 2, 3, 4, 5]
    assert list(running.database.gaps) == [("porch", 1, 6)]


def test_a_health_report_and_a_goodbye_are_stored(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting
) -> None:
    running = collecting(mosquitto.url).collects()
    health = b'{"device":"porch","time":7.5,"epoch":2,"boot":"b2","outbox":{"last_seq":9,"oldest":[1,4]}}'
    subscriber.send("edge/v1/porch/health", health)
    until(lambda: running.database.presence.get("porch"), what="the health")
    assert running.database.presence["porch"].oldest == (1, 4)
    subscriber.send("edge/v1/porch/status", status("offline", last_seq=12))
    until(lambda: running.database.presence["porch"].last_seq == 12, what="the goodbye")


def test_a_device_that_was_there_before_is_greeted(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting
) -> None:
    subscriber.send("edge/v1/porch/status", status("online"), retain=True)
    subscriber.send("edge/v1/attic/status", status("lost", device="attic"), retain=True)
    running = collecting(mosquitto.url).collects()
    until(lambda: acks(subscriber) == [Ack(boot="b1")], what="the greeting")
    until(lambda: set(running.database.presence) == {"porch", "attic"}, what="both stored")
    subscriber.send("edge/v1/porch/status", status("online", boot="b2", epoch=2))
    until(lambda: acks(subscriber) == [Ack(boot="b1"), Ack(boot="b2")], what="the greeting of the new start")
    assert acks(subscriber, "attic") == []


def test_nothing_is_acknowledged_before_it_is_stored(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting
) -> None:
    first = collecting(mosquitto.url).collects()
    first.database.hangs.set()
    subscriber.send(DOOR, envelope(1, 3))
    until(lambda: first.database.begun, what="the transaction")
    subscriber.send(DOOR, envelope(4, 3))
    until(lambda: first.collector._ingest.in_hand >= 2, what="the second in hand")
    assert acks(subscriber) == []
    # the broker was told nothing either: whoever comes by the same name gets it all
    second = collecting(mosquitto.url).collects()
    until(lambda: acknowledged(subscriber) == {1, 2, 3, 4, 5, 6}, what="the acknowledgement by the second")
    assert second.database.seqs() == [1, 2, 3, 4, 5, 6]
    first.collector.stop()
    first.database.go_on()
    first.ends()


def test_what_is_acknowledged_does_not_come_again(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting
) -> None:
    first = collecting(mosquitto.url).collects()
    for first_seq in range(1, 61):  # more than the broker sends at a time
        subscriber.send(DOOR, envelope(first_seq, 1))
    until(lambda: acknowledged(subscriber) == set(range(1, 61)), what="all acknowledged")
    first.stop()
    second = collecting(mosquitto.url).collects()
    subscriber.send(DOOR, envelope(61, 1))
    until(lambda: 61 in acknowledged(subscriber), what="the next")
    assert second.database.seqs() == [61]


def test_what_comes_while_the_only_collector_is_away_waits_for_it(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting
) -> None:
    collecting(mosquitto.url).collects().stop()
    subscriber.send(DOOR, envelope(1, 3))
    second = collecting(mosquitto.url)
    until(lambda: acknowledged(subscriber) == {1, 2, 3}, what="what waited")
    assert second.database.seqs() == [1, 2, 3]


def test_a_connection_that_breaks_while_the_database_hangs_costs_nothing(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting
) -> None:
    with Proxy(mosquitto.port) as proxy:
        running = collecting(proxy.url).collects()
        running.database.hangs.set()
        for first_seq in range(1, 41):
            subscriber.send(DOOR, envelope(first_seq, 1))
        until(lambda: running.collector._ingest.in_hand >= 15, what="a hand full")
        connection = running.collector._connection
        proxy.cut()
        proxy.blocked = False
        until(lambda: running.collector._connection > connection, what="another connection")
        running.database.go_on()
        # the broker is told only of what came by this connection, and so it sends all the others
        until(lambda: acknowledged(subscriber) == set(range(1, 41)), what="all acknowledged")
        running.stop()
    again = collecting(mosquitto.url).collects()
    subscriber.send(DOOR, envelope(41, 1))
    until(lambda: 41 in acknowledged(subscriber), what="the next")
    assert again.database.seqs() == [41]


def test_a_broker_that_forgets_everything_is_subscribed_to_again(
    mosquitto: Mosquitto, collecting: Collecting, caplog: pytest.LogCaptureFixture
) -> None:
    running = collecting(mosquitto.url).collects()
    mosquitto.kill()
    until(lambda: "trying again" in caplog.text, what="the loss noticed")
    mosquitto.start()
    until(lambda: running.collector._connection > 1 and running.collector._last_error is None, what="the reconnection")
    with Subscriber(mosquitto.port) as device:
        device.send(DOOR, envelope(1, 3))
        until(lambda: acknowledged(device) == {1, 2, 3}, what="the acknowledgement")
        until(lambda: [heard.said["state"] for heard in device.on(PRESENCE)] == ["online"], what="the presence")


def test_a_database_that_is_away_does_not_cost_the_connection(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting
) -> None:
    running = collecting(mosquitto.url).collects()
    running.database.away = "no database"
    subscriber.send(DOOR, envelope(1, 3))
    until(lambda: running.database.begun > 3, what="some tries")
    assert acks(subscriber) == []
    running.database.away = None
    until(lambda: acknowledged(subscriber) == {1, 2, 3}, what="the acknowledgement")
    assert running.collector._connection == 1


def test_more_than_can_be_held_makes_the_broker_wait(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "FULL_BYTES", 20_000)
    running = collecting(mosquitto.url).collects()
    running.database.away = "no database"
    subscriber.send(DOOR, envelope(1, 1))
    until(lambda: running.database.begun, what="the first in hand")
    subscriber.send(DOOR, envelope(2, 99))  # more than the bound: even that must not be the end
    until(lambda: running.collector._intake.full, what="the bound")
    held = running.collector._ingest.in_hand
    for first_seq in range(101, 111):
        subscriber.send(DOOR, envelope(first_seq, 1))
    until(lambda: len(subscriber.on("/results/door")) == 12, what="all at the broker")
    assert running.collector._ingest.in_hand == held
    running.database.away = None
    until(lambda: acknowledged(subscriber) == set(range(1, 111)), what="all acknowledged")
    assert running.collector._connection == 1


def test_a_broker_that_hangs_up_on_a_collector_that_is_full_is_called_when_there_is_room(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "FULL_BYTES", 5_000)
    with Proxy(mosquitto.port) as proxy:
        running = collecting(proxy.url).collects()
        running.database.hangs.set()
        for first_seq in (1, 31, 61):
            subscriber.send(DOOR, envelope(first_seq, 30))
            until(lambda: running.database.begun, what="the first in hand")
        until(lambda: running.collector._intake.full, what="the bound")
        proxy.cut()
        proxy.blocked = False
        running.database.go_on()
        until(lambda: acknowledged(subscriber) == set(range(1, 91)), what="all acknowledged")
        running.stop()


def test_a_stop_stores_and_acknowledges_what_is_in_hand(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting
) -> None:
    running = collecting(mosquitto.url).collects()
    running.database.hangs.set()
    for first_seq in range(1, 11):
        subscriber.send(DOOR, envelope(first_seq, 1))
    until(lambda: running.collector._ingest.in_hand >= 10, what="ten in hand")
    running.collector.stop()
    until(lambda: running.collector._intake._closed, what="the end of taking in")
    subscriber.send(DOOR, envelope(11, 1))
    running.database.go_on()
    running.ends()
    assert running.error is None
    assert running.database.closed
    until(lambda: acknowledged(subscriber) == set(range(1, 11)), what="the acknowledgement of ten")
    again = collecting(mosquitto.url).collects()
    until(lambda: 11 in acknowledged(subscriber), what="the eleventh")
    assert again.database.seqs() == [11]


def test_a_stop_while_the_database_is_away_gives_up_and_says_so(
    mosquitto: Mosquitto,
    subscriber: Subscriber,
    collecting: Collecting,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(service, "DRAIN_S", 0.3)
    running = collecting(mosquitto.url).collects()
    running.database.away = "no database"
    subscriber.send(DOOR, envelope(1, 3))
    until(lambda: running.database.begun, what="a try")
    running.stop()
    assert running.error is None
    assert "not all was stored, the broker sends it again" in caplog.text
    again = collecting(mosquitto.url)
    until(lambda: acknowledged(subscriber) == {1, 2, 3}, what="the broker sending it again")
    assert again.database.seqs() == [1, 2, 3]


def test_the_presence_of_a_collector(mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting) -> None:
    with Proxy(mosquitto.port) as proxy:
        running = collecting(proxy.url).collects()

        def states() -> list[str]:
            return [heard.said["state"] for heard in subscriber.on(PRESENCE)]

        until(lambda: states() == ["online"], what="the presence")
        proxy.blocked = True
        proxy.cut()
        until(lambda: states() == ["online", "lost"], what="the last will")
        proxy.blocked = False
        until(lambda: states() == ["online", "lost", "online"], what="the presence")
        running.stop()
        until(lambda: states() == ["online", "lost", "online", "offline"], what="the goodbye")
    assert {heard.said["collector"] for heard in subscriber.on(PRESENCE)} == {"collector-a"}


def test_two_collectors_share_and_the_last_word_is_that_one_is_there(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting
) -> None:
    one = collecting(mosquitto.url).collects()
    other = collecting(mosquitto.url, one.database, client_id="collector-b").collects()
    for first_seq in range(1, 101):
        subscriber.send(DOOR, envelope(first_seq, 1))
    until(lambda: acknowledged(subscriber) == set(range(1, 101)), what="all acknowledged")
    totals = (one.collector._ingest.total, other.collector._ingest.total)
    assert all(total.rows for total in totals)
    assert sum(total.rows + total.duplicates for total in totals) == 100
    one.stop()
    until(lambda: subscriber.on(PRESENCE)[-1].said["collector"] == "collector-b", what="the other's word")
    assert subscriber.on(PRESENCE)[-1].said["state"] == "online"


def test_two_collectors_of_one_id_are_told_apart(
    mosquitto: Mosquitto, collecting: Collecting, caplog: pytest.LogCaptureFixture
) -> None:
    collecting(mosquitto.url).collects()
    collecting(mosquitto.url).collects()
    until(lambda: "the connection broke; has another collector the id collector-a?" in caplog.text, what="the warning")


def test_a_broker_that_is_not_there_at_the_start_is_the_end(collecting: Collecting) -> None:
    running = collecting("mqtt://127.0.0.1:1")
    running.ends()
    assert isinstance(running.error, UplinkError)
    assert running.database.closed


def test_a_wrong_password_of_the_broker_is_the_end_at_the_start_and_waited_for_later(
    tmp_path: Path, collecting: Collecting, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    with with_password(tmp_path, "col", "right") as mosquitto:
        running = collecting(mosquitto.url, username="col", password_file=secret)
        running.ends()
        assert "check username and password_file" in str(running.error)
        secret.write_text("right\n")
        running = collecting(mosquitto.url, username="col", password_file=secret).collects()
        secret.write_text("wrong\n")
        mosquitto.kill()
        mosquitto.start()
        until(lambda: "check username and password_file, trying again" in caplog.text, what="the refusal")
        secret.unlink()
        until(lambda: "cannot read the broker's password file" in caplog.text, what="the missing file")
        secret.write_text("right\n")
        until(lambda: running.collector._last_error is None, what="the connection")


def test_a_database_that_cannot_be_opened_is_the_end_at_the_start(mosquitto: Mosquitto) -> None:
    def cannot_open() -> MemoryDatabase:
        raise DatabaseError("wrong password for the database")

    collector = Collector(Broker(url=mosquitto.url), cannot_open, group="night", client_id="a")
    with pytest.raises(UnavailableError, match="wrong password for the database"):
        collector.run()


def test_a_fault_in_the_databases_thread_is_the_end(
    mosquitto: Mosquitto, subscriber: Subscriber, collecting: Collecting
) -> None:
    running = collecting(mosquitto.url).collects()
    running.database.refuses = lambda _: True
    subscriber.send(DOOR, envelope())
    running.ends()
    assert isinstance(running.error, ValueError)
    assert acks(subscriber) == []


def test_a_broker_that_does_not_let_us_write_acknowledgements_is_named_and_all_is_stored(
    tmp_path: Path, collecting: Collecting, caplog: pytest.LogCaptureFixture
) -> None:
    rules = ("topic read #", "topic write edge/v1/+/results/#", "topic write edge/v1/_collector/#")
    with with_acl(tmp_path, *rules) as mosquitto, Subscriber(mosquitto.port) as device:
        running = collecting(mosquitto.url).collects()
        device.send(DOOR, envelope(1, 3))
        until(lambda: "the broker refuses what we publish" in caplog.text, what="the refusal")
        (said,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert (vars(said)["topic"], vars(said)["reason"]) == ("edge/v1/porch/ack", "Not authorized")
        device.send(DOOR, envelope(4, 3))
        until(lambda: running.database.seqs() == [1, 2, 3, 4, 5, 6], what="the rows")
        assert acks(device) == []
        running.stop()


def test_a_broker_that_does_not_let_us_read_is_named(
    tmp_path: Path, collecting: Collecting, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SUBSCRIBE_S", 0.5)
    with with_acl(tmp_path, "topic write #") as mosquitto:  # mosquitto takes any subscription, and never delivers
        collecting(mosquitto.url).collects()
        until(lambda: "took our subscriptions but does not deliver" in caplog.text, what="the error")
        (said,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert vars(said)["id"] == "collector-a"


def test_a_broker_that_refuses_a_subscription_is_the_end_at_the_start(tmp_path: Path, collecting: Collecting) -> None:
    plugins = sorted(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))
    if not plugins:
        pytest.skip("needs mosquitto's dynamic security plugin")
    access = {"publishClientSend": True, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"defaultACLAccess": access}))
    rules.chmod(0o600)
    settings = f"allow_anonymous true\nplugin {plugins[0]}\nplugin_opt_config_file {rules}"
    with Mosquitto(tmp_path, settings) as mosquitto:
        running = collecting(mosquitto.url)
        running.ends()
    assert f"the broker {mosquitto.url} refuses the subscription to $share/night/edge/v1/+/results/# " in str(
        running.error
    )
    assert "allow this client to read it" in str(running.error)


@pytest.mark.parametrize("how", ["answer", "hang up"])
def test_a_broker_without_mqtt_5_is_refused(mosquitto: Mosquitto, collecting: Collecting, how: str) -> None:
    with Proxy(mosquitto.port, refuse_v5=how) as proxy:
        running = collecting(proxy.url)
        running.ends()
    assert "a collector needs MQTT 5, which old brokers do not speak" in str(running.error)
