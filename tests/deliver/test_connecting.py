"""What a broker, or what stands in its place, says to us: one clear line each."""

import gc
import socket
import time
import warnings
from pathlib import Path

import pytest
from broker import Mosquitto, with_password, with_tls
from made import Publishers, a_result
from mqtt_proxy import Proxy
from waiting import until

from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.errors import UnavailableError, UplinkError
from edge_infer.mqtt import link as module
from edge_infer.mqtt.broker import Broker
from edge_infer.mqtt.link import OldBrokerError, connect
from edge_infer.tools.local_broker import free_port


def refusal(broker: Broker) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # paho leaves the socket of a failed handshake to Python
        with pytest.raises(UplinkError) as caught:
            connect(broker, "test").close()
        said = str(caught.value)
        del caught
        gc.collect()
    assert "\n" not in said
    return said


def test_nobody_listening_is_said() -> None:
    port = free_port()
    assert refusal(Broker(url=f"mqtt://127.0.0.1:{port}")) == (
        f"cannot reach the broker mqtt://127.0.0.1:{port}: Connection refused"
    )


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70])
def test_an_unknown_host_is_said(host: str) -> None:
    assert refusal(Broker(url=f"mqtt://{host}")).startswith(f"cannot reach the broker mqtt://{host}: ")


def test_a_broker_that_says_nothing_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        assert refusal(Broker(url=f"mqtt://{url}")) == f"the broker mqtt://{url} does not answer"
        assert "no answer in time" in refusal(Broker(url=f"mqtts://{url}", keepalive_s=1))
        assert time.monotonic() - started < 5.0


def test_a_server_that_speaks_no_mqtt_is_said() -> None:
    with Proxy(free_port(), blocked=True) as proxy:
        assert "hung up without an answer" in refusal(Broker(url=proxy.url))
        assert proxy.levels == [5, 4]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_no_other_version_is_tried_than_the_one_that_was_set(mosquitto: Mosquitto, protocol: str) -> None:
    with Proxy(mosquitto.port, refuse_v5="answer") as proxy:
        broker = Broker(url=proxy.url, protocol=protocol)
        if protocol == "5":
            with pytest.raises(OldBrokerError, match="refuses us: Unsupported protocol version"):
                connect(broker, "test")
        else:
            connect(broker, "test").close()
        assert proxy.levels == [int(protocol[0]) + (protocol == "3.1.1")]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_is_said_without_the_password(tmp_path: Path, protocol: str, password: str) -> None:
    (tmp_path / "pw").write_text(password)
    with with_password(tmp_path, "porch", "right") as mosquitto:
        broker = Broker(url=mosquitto.url, username="porch", password_file=tmp_path / "pw", protocol=protocol)
        assert refusal(broker) == (
            f"the broker {mosquitto.url} refuses us: Not authorized; check username and password_file"
        )


def test_the_right_password_opens(tmp_path: Path, publish_to: Publishers) -> None:
    (tmp_path / "pw").write_text("right\r\n")
    with with_password(tmp_path, "porch", "right") as mosquitto:
        assert "Not authorized" in refusal(Broker(url=mosquitto.url))
        publisher = publish_to(mosquitto.url, username="porch", password_file=tmp_path / "pw")
        publisher.publish(a_result())
        until(lambda: publisher.health().acknowledged == 1, what="the acknowledgement")


def test_a_certificate_that_nobody_vouches_for_is_refused_and_a_ca_file_mends_it(
    tmp_path: Path, publish_to: Publishers
) -> None:
    mosquitto, ca = with_tls(tmp_path)
    with mosquitto:
        said = refusal(Broker(url=mosquitto.url))
        assert "its certificate is not trusted" in said
        assert said.endswith("set ca_file to the authority that signed it")
        publisher = publish_to(mosquitto.url, ca_file=ca)
        for number in range(300):
            publisher.publish(a_result(number))
        until(lambda: publisher.health().acknowledged == 300, what="the acknowledgements")


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    mosquitto, ca = with_tls(tmp_path)
    with mosquitto:
        said = refusal(Broker(url=f"mqtts://localhost:{mosquitto.port}", ca_file=ca))
        assert "not trusted" in said
        assert "localhost" in said


def test_tls_to_a_port_without_is_said(mosquitto: Mosquitto) -> None:
    assert "is that port a TLS one?" in refusal(Broker(url=f"mqtts://127.0.0.1:{mosquitto.port}"))


def test_no_tls_to_a_port_with_it_is_refused(tmp_path: Path) -> None:
    mosquitto, _ = with_tls(tmp_path)
    with mosquitto:
        assert refusal(Broker(url=f"mqtt://127.0.0.1:{mosquitto.port}"))


def test_waiting_for_a_connection_tells_why_there_is_none(publish_to: Publishers) -> None:
    publisher = publish_to(f"mqtt://127.0.0.1:{free_port()}")
    with pytest.raises(UplinkError, match="Connection refused"):
        publisher.wait_connected(0.3)


def test_a_missing_password_file_ends_delivery_with_one_line(
    tmp_path: Path, publish_to: Publishers, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = publish_to("mqtt://127.0.0.1", username="porch", password_file=tmp_path / "nowhere")
    with pytest.raises(UnavailableError, match="password file"):
        publisher.wait_connected(5.0)
    assert isinstance(publisher.error, UnavailableError)
    until(lambda: [r for r in caplog.records if r.levelname == "ERROR"], what="the line")
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.exc_info is None


def test_a_second_client_with_our_id_is_noticed(mosquitto: Mosquitto, publish_to: Publishers) -> None:
    publisher = publish_to(mosquitto.url)
    publisher.wait_connected(5.0)
    thief = connect(Broker(url=mosquitto.url), "porch")
    until(lambda: "Session taken over" in str(publisher._sender.last_error) or publisher.reconnects, what="the loss")
    thief.abandon()
    until(lambda: publisher.reconnects, what="the new connection")


@pytest.mark.parametrize(
    ("disk", "said"),
    [
        (True, "results wait on the disk for the next start"),
        (False, "results were not delivered and are lost with this process"),
    ],
)
def test_closing_without_a_broker_ends_in_time_and_tells_what_did_not_arrive(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, disk: bool, said: str
) -> None:
    caplog.set_level("INFO")
    if not disk:
        tmp_path /= "file"
        tmp_path.write_text("no folder")
    publisher = MqttPublisher(f"mqtt://127.0.0.1:{free_port()}", device="porch", state_dir=tmp_path)
    publisher.start()
    for number in range(7):
        publisher.publish(a_result(number))
    started = time.monotonic()
    assert publisher.close() == 7
    assert time.monotonic() - started < 7.0
    record = caplog.records[-1]
    assert (record.msg, vars(record)["results"]) == (said, 7)
