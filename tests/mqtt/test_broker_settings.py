"""Where the broker is and how we prove who we are, before any connection."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from edge_infer.deliver.publisher import MqttPublisher
from edge_infer.errors import UnavailableError, UsageError
from edge_infer.mqtt.broker import Broker


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://broker.local", ("broker.local", 1883, False)),
        ("mqtts://broker.local", ("broker.local", 8883, True)),
        ("mqtt://10.0.0.1:1999/", ("10.0.0.1", 1999, False)),
        ("mqtt://[::1]:1884", ("::1", 1884, False)),
    ],
)
def test_an_url_says_host_port_and_tls(url: str, address: tuple[str, int, bool]) -> None:
    assert Broker(url=url).address() == address


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("broker.local", "is no broker's URL; use mqtt://host"),
        ("http://broker.local", "is no broker's URL; use mqtt://host"),
        ("mqtt://", "is no broker's URL; use mqtt://host"),
        ("mqtt://broker.local/topic", "is no broker's URL; use mqtt://host"),
        ("mqtt://broker.local?tls=1", "is no broker's URL; use mqtt://host"),
        ("mqtt://broker.local:port", "wrong port"),
        ("mqtt://broker.local:99999", "wrong port"),
        ("mqtt://[::1", "URL is none .*; use mqtt://host"),
        ("mqtt://porch:secret@broker.local", "use username and password_file"),
        ("mqtt://porch:secret@broker.local:port", "use username and password_file"),
        ("http://porch:secret@broker.local", "use username and password_file"),
    ],
)
def test_an_url_that_is_none_is_refused_without_showing_a_password(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Broker(url=url).address()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "password"),
    [
        ("s3cret", "s3cret"),
        ("s3cret\n", "s3cret"),
        ("s3cret\r\nnotes\r\n", "s3cret"),
        (" sp ace \n", " sp ace "),
        ("", ""),
    ],
)
def test_the_password_is_the_first_line_of_its_file(tmp_path: Path, content: str, password: str) -> None:
    file = tmp_path / "pw"
    file.write_bytes(content.encode())
    assert Broker(url="mqtt://h", password_file=file).password() == password


def test_there_is_no_password_without_a_file() -> None:
    assert Broker(url="mqtt://h").password() is None


def test_a_password_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"cannot read the broker's password file .*nowhere: No such file"):
        Broker(url="mqtt://h", password_file=tmp_path / "nowhere").password()


def test_a_password_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "pw").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnavailableError, match=r"password file .*pw is not UTF-8"):
        Broker(url="mqtt://h", password_file=tmp_path / "pw").password()


def test_a_credential_of_systemd_wins_over_a_file_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/mqtt.pw").write_text("from systemd\n")
    (tmp_path / "mqtt.pw").write_text("from the file\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert Broker(url="mqtt://h", password_file=Path("mqtt.pw")).password() == "from systemd"
    (tmp_path / "credentials/mqtt.pw").unlink()
    assert Broker(url="mqtt://h", password_file=tmp_path / "mqtt.pw").password() == "from the file"


def test_the_key_of_a_certificate_may_be_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl: apt install openssl")
    (tmp_path / "credentials").mkdir()
    key, certificate = tmp_path / "credentials/edge-infer_client.key", tmp_path / "client.pem"
    made = ["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=porch"]
    subprocess.run(["openssl", *made, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=20)
    broker = Broker(url="mqtts://h", cert_file=certificate, key_file=Path("/etc/edge-infer/credentials/client.key"))
    with pytest.raises(UnavailableError, match="cannot use the TLS files"):
        broker.tls()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(key.parent))
    broker.tls()


def test_the_server_is_always_checked() -> None:
    context = Broker(url="mqtts://h").tls()
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("content", [None, "no certificate"])
@pytest.mark.parametrize("field", ["ca_file", "cert_file"])
def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path, field: str, content: str | None) -> None:
    file = tmp_path / "some.pem"
    if content:
        file.write_text(content)
    with pytest.raises(UnavailableError, match=r"cannot use the TLS files .*some\.pem"):
        Broker(url="mqtts://h", **{field: file}).tls()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window"),
        ({"protocol": "4"}, "protocol"),
        ({"user": "porch"}, "user"),
        ({"root": "a/#"}, "root"),
    ],
)
def test_a_publisher_refuses_options_that_a_configuration_could_not_hold(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        MqttPublisher("mqtt://h", device="d", state_dir=tmp_path, **options)


def test_a_publisher_takes_paths_as_text(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("s3cret")
    publisher = MqttPublisher("mqtt://h", device="d", state_dir=tmp_path, password_file=str(tmp_path / "pw"))
    assert publisher.broker.password() == "s3cret"
    assert publisher.close() == 0


@pytest.mark.parametrize("device", ["", "a/b", "#"])
def test_a_publisher_refuses_a_device_that_is_no_level_of_a_topic(tmp_path: Path, device: str) -> None:
    with pytest.raises(UsageError, match="device"):
        MqttPublisher("mqtt://h", device=device, state_dir=tmp_path)
