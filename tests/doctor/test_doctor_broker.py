"""Brokers that are not there, not trusted, too strict, or have another device of our name."""

import gc
import socket
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from broker import Mosquitto, Subscriber, with_acl, with_password, with_tls
from certificates import dated_broker, make_certificate
from waiting import until

from edge_infer.mqtt.broker import Broker
from edge_infer.tools.doctor.broker import check_broker
from edge_infer.tools.doctor.finding import Finding
from edge_infer.tools.local_broker import free_port
from edge_infer.wire.payloads import StatusMessage

NOW, DAY = datetime.now(UTC), timedelta(days=1)
ALLOWED = ("topic write edge/v1/porch/#", "topic read edge/v1/porch/cmd/+", "topic read edge/v1/porch/ack")


def checked(url: str, **broker: object) -> dict[str, Finding]:
    settings = msgspec.convert({"url": url, **broker}, Broker, dec_hook=lambda t, v: t(v))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # paho leaves the socket of a failed handshake to Python
        found = {finding.what: finding for finding in check_broker(settings, "porch")}
        gc.collect()
    return found


def patient(folder: Path, *rules: str) -> Mosquitto:
    """A broker with an ACL that does not hang up on what it refuses: 2.0.11 with max_queued_messages 0 does."""
    with_acl(folder, *rules)
    return Mosquitto(folder, f"allow_anonymous true\nacl_file {folder / 'acl'}\nmax_queued_messages 1000")


def test_a_broker_that_allows_all_is_in_order(mosquitto: Mosquitto) -> None:
    found = checked(mosquitto.url)
    assert [finding.level for finding in found.values()] == ["ok", "ok"]
    assert found["broker"].detail == f"{mosquitto.url} accepts us, MQTT 5"
    assert found["broker rights"].detail == "we may say and hear what is ours below edge/v1/porch"


def test_nobody_else_is_told_anything_but_that_the_doctor_was_there(
    mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    checked(mosquitto.url)
    subscriber.send("end", b"")
    until(lambda: subscriber.on("end"))
    assert [heard.topic for heard in subscriber.heard] == [
        "edge/v1/porch/res/_doctor",
        "edge/v1/porch/cmd/_doctor",
        "end",
    ]
    assert not any(heard.retain for heard in subscriber.heard)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_the_rights_that_the_document_advises_are_in_order(tmp_path: Path, protocol: str) -> None:
    with with_acl(tmp_path, *ALLOWED) as broker:
        assert checked(broker.url, protocol=protocol)["broker rights"].level == "ok"


@pytest.mark.parametrize("strict", [patient, with_acl])
def test_a_device_that_may_not_publish_is_told(tmp_path: Path, strict: Callable[..., Mosquitto]) -> None:
    with strict(tmp_path, "topic read edge/v1/#", "topic write edge/v1/garden/#") as broker:
        finding = checked(broker.url)["broker rights"]
    assert (finding.level, finding.exit_code) == ("fail", 69)
    assert finding.detail == "the broker refuses what we say below edge/v1/porch: Not authorized"
    assert "`topic write edge/v1/porch/#`" in finding.fix


def test_a_broker_that_hangs_up_is_told(tmp_path: Path) -> None:
    with with_acl(tmp_path, "topic read edge/v1/#") as broker:
        finding = checked(broker.url, protocol="3.1.1")["broker rights"]
    assert (finding.level, finding.exit_code) == ("fail", 69)
    assert finding.detail.endswith("the connection broke")


def test_a_device_that_does_not_hear_its_commands_is_told(tmp_path: Path) -> None:
    """Though the broker agrees to its subscription."""
    with with_acl(tmp_path, "topic write edge/v1/porch/#") as broker:
        finding = checked(broker.url)["broker rights"]
    assert finding.level == "warn"
    assert "nothing comes back from edge/v1/porch/cmd" in finding.detail
    assert "`topic read edge/v1/porch/cmd/+`, `topic read edge/v1/porch/ack`" in finding.fix


def test_a_device_that_may_not_give_itself_commands_is_in_order(tmp_path: Path) -> None:
    rules = ["topic write edge/v1/porch/results/#", "topic write edge/v1/porch/res/#", *ALLOWED[1:]]
    with with_acl(tmp_path, *rules) as broker:
        finding = checked(broker.url)["broker rights"]
    assert (finding.level, finding.detail) == (
        "ok",
        "we may say what is ours below edge/v1/porch, and subscribe to our commands",
    )


def test_what_an_old_protocol_does_not_tell_is_said(tmp_path: Path) -> None:
    with patient(tmp_path, "topic read edge/v1/#") as broker:
        finding = checked(broker.url, protocol="3.1.1")["broker rights"]
    assert finding.level == "warn"
    assert "MQTT 3.1.1 does not say what is refused" in finding.detail


def test_a_broker_that_is_not_there_is_told() -> None:
    finding = checked(f"mqtt://127.0.0.1:{free_port()}")["broker"]
    assert (finding.level, finding.exit_code) == ("fail", 69)
    assert "Connection refused" in finding.detail
    assert finding.command == "systemctl status mosquitto"


def test_a_port_that_is_no_broker_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        finding = checked(f"mqtt://127.0.0.1:{port}")["broker"]
    assert (finding.level, finding.command) == ("fail", f"nc -vz 127.0.0.1 {port}")


def test_a_host_that_is_not_known_is_told() -> None:
    finding = checked("mqtt://broker.invalid")["broker"]
    assert (finding.level, finding.command) == ("fail", "getent hosts broker.invalid")


def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("wrong\n")
    with with_password(tmp_path, "porch", "right") as broker:
        finding = checked(broker.url, username="porch", password_file=tmp_path / "pw")["broker"]
    assert "Not authorized" in finding.detail
    assert "mqtt.password_file" in finding.fix


def test_a_password_file_that_is_not_there_is_told(mosquitto: Mosquitto, tmp_path: Path) -> None:
    finding = checked(mosquitto.url, username="porch", password_file=tmp_path / "nowhere")["broker"]
    assert (finding.level, finding.command) == ("fail", "")
    assert "cannot read the broker's password file" in finding.detail
    assert "correct the file's name" in finding.fix


def test_a_certificate_that_a_stranger_signed_is_told(tmp_path: Path) -> None:
    broker, authority = with_tls(tmp_path)
    with broker:
        assert checked(broker.url, ca_file=authority)["broker"].level == "ok"
        finding = checked(broker.url)["broker"]
    assert finding.level == "fail"
    assert "certificate is not trusted" in finding.detail
    assert "mqtt.ca_file" in finding.fix
    assert finding.command.startswith("openssl s_client -connect 127.0.0.1:")


def test_tls_where_the_broker_has_none_is_told(mosquitto: Mosquitto) -> None:
    finding = checked(mosquitto.url.replace("mqtt:", "mqtts:"))["broker"]
    assert finding.level == "fail"
    assert "use mqtt:// for a broker without TLS" in finding.fix


DATES = {
    "expired": (NOW - 9 * DAY, NOW - DAY, "fail", "was valid only until", "renew it"),
    "of the future": (NOW + DAY, NOW + 900 * DAY, "fail", "is valid only from", "the clock is right"),
    "soon to expire": (NOW - DAY, NOW + 3 * DAY, "warn", "is valid only until", "renew it"),
}


@pytest.mark.parametrize(("begins", "ends", "level", "says", "fix"), DATES.values(), ids=DATES)
def test_a_certificate_with_dates_that_do_not_fit_is_told(
    tmp_path: Path, begins: datetime, ends: datetime, level: str, says: str, fix: str
) -> None:
    broker, authority = dated_broker(tmp_path, begins, ends)
    with broker:
        found = checked(broker.url, ca_file=authority)
    assert found["certificate"].level == level
    assert f"the certificate of 127.0.0.1 {says}" in found["certificate"].detail
    assert fix in found["certificate"].fix
    assert ("broker" in found) is (level == "warn"), "one trouble is told once"


def test_a_certificate_that_is_good_for_long_is_not_worth_a_line(tmp_path: Path) -> None:
    broker, authority = dated_broker(tmp_path, NOW - DAY, NOW + 90 * DAY)
    with broker:
        assert list(checked(broker.url, ca_file=authority)) == ["broker", "broker rights"]


def test_our_own_certificate_is_looked_at_too(tmp_path: Path, mosquitto: Mosquitto) -> None:
    (tmp_path / "own").mkdir()
    certificate, key, _ = make_certificate(tmp_path / "own", NOW - 9 * DAY, NOW - DAY)
    found = checked(mosquitto.url, cert_file=certificate, key_file=key)
    assert found["our certificate"].level == "fail"
    assert str(certificate) in found["our certificate"].detail


@pytest.mark.parametrize(("state", "told"), [("online", True), ("degraded", True), ("offline", False), ("lost", False)])
def test_another_device_of_our_name_is_told(
    mosquitto: Mosquitto, subscriber: Subscriber, state: str, told: bool
) -> None:
    status = StatusMessage(device="porch", state=state, time=1.8e9, epoch=7, boot="b00t")  # type: ignore[arg-type]
    subscriber.send("edge/v1/porch/status", msgspec.json.encode(status), retain=True)
    found = checked(mosquitto.url)
    assert ("device id" in found) is told
    if told:
        assert found["device id"].level == "warn"
        assert f"'porch' is {state} at the broker since 2027-01-15 08:00:00" in found["device id"].detail
        assert "device.id of its own" in found["device id"].fix
    broker = Broker(url=mosquitto.url)
    assert "device id" not in [finding.what for finding in check_broker(broker, "porch", running=True)]


def test_a_status_that_nobody_understands_is_no_fault_of_ours(mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    subscriber.send("edge/v1/porch/status", b"{torn", retain=True)
    assert [finding.level for finding in checked(mosquitto.url).values()] == ["ok", "ok"]
