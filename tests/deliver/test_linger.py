"""Results that are made fast go out together, and none waits longer than it is said."""

from broker import Mosquitto, Subscriber
from made import Publishers, a_result, an_event
from waiting import until

from edge_infer.deliver.linger import Linger
from edge_infer.mqtt.broker import Broker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_does_not_wait_and_what_follows_waits_for_the_rest_of_the_time() -> None:
    clock = Clock()
    linger = Linger(0.5, clock)
    assert linger.must_wake()
    assert linger.is_over()
    linger.begin()
    clock.now += 0.4
    assert linger.left_s(9.0) == 9.0  # nothing has come: nobody needs to wake up for that
    assert linger.must_wake()
    assert not linger.must_wake()
    assert not linger.is_over()
    assert abs(linger.left_s(9.0) - 0.1) < 1e-9
    clock.now += 0.2
    assert linger.left_s(9.0) == 0.0
    assert linger.is_over()
    assert linger.must_wake()


def test_hurry_ends_it_even_if_it_comes_just_before_it_begins() -> None:
    linger = Linger(0.5, Clock())
    linger.hurry()
    linger.begin()
    assert linger.is_over()
    assert linger.is_over()  # also if not all could be sent at once
    linger.begin()
    assert not linger.is_over()


def test_without_a_time_nothing_waits() -> None:
    linger = Linger(0.0, Clock())
    linger.begin()
    assert linger.is_over()


def test_what_comes_while_it_lasts_is_one_message_and_an_event_brings_it_at_once(
    mosquitto: Mosquitto, subscriber: Subscriber, publish_to: Publishers
) -> None:
    publisher = publish_to(Broker(url=mosquitto.url, linger_s=600.0))
    publisher.wait_connected(10.0)
    for number in range(30):
        publisher.publish(a_result(number))
    publisher.publish_event(an_event(), "door")
    until(lambda: subscriber.seqs() == list(range(1, 31)), what="the results")
    assert len(subscriber.envelopes()) <= 4
