"""The broker: is it there, is it trusted, does it take us."""

import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from edge_infer.errors import EdgeInferError, UplinkError
from edge_infer.mqtt.broker import Broker
from edge_infer.mqtt.link import connect
from edge_infer.tools.doctor.broker_rights import check_rights, spoken
from edge_infer.tools.doctor.certificate import Validity, in_file, served
from edge_infer.tools.doctor.finding import Finding, fail, ok, warn

TIMEOUT_S = 5.0
SOON = timedelta(days=14)  # authorities that renew by themselves do it 30 days before the end


def try_broker(broker: Broker, device: str) -> str:
    """That the broker takes us, and which MQTT it speaks.

    Raises:
        UplinkError: it does not.
        UnavailableError: a password or certificate file cannot be read.
    """
    # another client id than the daemon's, which may be running and would be thrown out
    link = connect(broker, f"{device}-check")
    link.close()
    return f"{broker.url} accepts us, {spoken(link)}"


def check_broker(broker: Broker, device: str, *, running: bool = False) -> Iterator[Finding]:
    """Look at certificates, connect, then try what this device may; `running`: its daemon does, on this machine."""
    dated = list(_certificates(broker))
    yield from dated
    try:
        accepted = try_broker(broker, device)
    except EdgeInferError as error:
        if not any(finding.level == "fail" for finding in dated):  # else that is why
            yield _unreachable(broker, error)
        return
    yield ok("broker", accepted)
    try:
        yield from check_rights(broker, device, running=running)
    except UplinkError as error:
        fix = "look into the broker's log: it may hang up on a device that says or hears what it must not"
        yield fail("broker rights", str(error), fix)


def _certificates(broker: Broker) -> Iterator[Finding]:
    """Those that are not valid now, or soon no longer."""
    host, port, tls = broker.address()
    own = broker.cert_file
    if own:
        yield from _dated("our certificate", f"the client certificate {own}", lambda: in_file(own))
    if tls:
        yield from _dated("certificate", f"the certificate of {host}", lambda: served(host, port, TIMEOUT_S))


def _dated(what: str, name: str, read: Callable[[], Validity]) -> Iterator[Finding]:
    try:
        found = read()
    except (OSError, ValueError, ssl.SSLError):
        return  # connecting tells why the broker cannot be reached, or a file not be used
    now, renew = datetime.now(UTC), "renew it, then restart the broker"
    if now < found.begins:
        begins = f"valid only from {found.begins:%Y-%m-%d %H:%M} UTC on, and our clock says {now:%Y-%m-%d %H:%M}"
        yield fail(what, f"{name} is {begins}", "see that the clock is right", "timedatectl status")
    elif now > found.ends:
        yield fail(what, f"{name} was valid only until {found.ends:%Y-%m-%d %H:%M} UTC", renew)
    elif found.ends - now < SOON:
        yield warn(what, f"{name} is valid only until {found.ends:%Y-%m-%d %H:%M} UTC", renew)


def _unreachable(broker: Broker, error: EdgeInferError) -> Finding:
    """What to do about the reasons that mqtt/reasons.py tells."""
    host, port, _ = broker.address()
    said = str(error)
    fix, command = "see that the broker runs, and that its address and the network are right", f"nc -vz {host} {port}"
    if not isinstance(error, UplinkError):
        fix, command = "correct the file's name, or let the daemon's user read it", ""
    elif "Connection refused" in said:
        own = "mosquitto hears its own machine only, until its configuration has a `listener`"
        fix = f"see that the broker runs, and on this port; {own}"
        command = "systemctl status mosquitto" if _is_here(host) else command
    elif "host is not known" in said:
        fix, command = "correct mqtt.url, or see that this name is known here", f"getent hosts {host}"
    elif "certificate" in said:
        fix = "set mqtt.ca_file to the authority that signed it, and mqtt.url to the name that it was made out for"
        command = f"openssl s_client -connect {host}:{port} -showcerts </dev/null"
    elif "TLS fails" in said:
        fix, command = "use mqtt:// for a broker without TLS, or give its TLS port in mqtt.url", ""
    elif "refuses us" in said:
        fix, command = "correct mqtt.username and mqtt.password_file, or the users of the broker", ""
    return fail("broker", said, fix, command, error.exit_code)


def _is_here(host: str) -> bool:
    try:
        return socket.gethostbyname(host).startswith("127.")
    except OSError:
        return False
