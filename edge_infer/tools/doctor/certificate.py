"""When certificates begin and end to be valid: read from DER, since `ssl` tells it of trusted ones only."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

SEQUENCE, UTC_TIME, GENERALIZED_TIME, EXPLICIT_0 = 0x30, 0x17, 0x18, 0xA0  # Source: ITU-T X.690, 8.1.2
BEGIN = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when."""

    begins: datetime
    ends: datetime


def served(host: str, port: int, timeout: float) -> Validity:
    """Of the certificate that a server shows, trusted or not.

    Raises:
        OSError: there is no TLS server.
        ValueError: it is no certificate.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # only looked at: what is sent there goes over the connection that trusts it
    with socket.create_connection((host, port), timeout) as raw, context.wrap_socket(raw, server_hostname=host) as tls:
        return validity(tls.getpeercert(binary_form=True) or b"")


def in_file(path: Path) -> Validity:
    """Of the first certificate in a PEM file.

    Raises:
        OSError, ValueError: there is none.
    """
    pem = path.read_text("ascii", errors="replace")
    return validity(ssl.PEM_cert_to_DER_cert(pem[pem.index(BEGIN) :].split("-----END", 1)[0] + ssl.PEM_FOOTER))


def validity(der: bytes) -> Validity:
    """Of a certificate. Source: RFC 5280, 4.1: version, serial number, signature, issuer, validity.

    Raises:
        ValueError: it is none.
    """
    try:
        (_, certificate) = next(_parts(der))
        (_, signed) = next(_parts(certificate))
        fields = [field for field in _parts(signed) if field[0] != EXPLICIT_0]
        begins, ends = (_time(tag, content) for tag, content in _parts(fields[3][1]))
    except (StopIteration, IndexError) as error:
        raise ValueError("this is no X.509 certificate") from error
    return Validity(begins, ends)


def _parts(der: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) of each value. Source: ITU-T X.690, 8.1.3, definite lengths."""
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        yield tag, der[at : at + length]
        at += length


def _time(tag: int, content: bytes) -> datetime:
    """Source: RFC 5280, 4.1.2.5: two digits of the year from 1950 to 2049, else four."""
    if tag not in (UTC_TIME, GENERALIZED_TIME):
        raise ValueError("this is no X.509 certificate")
    text = content.decode("ascii").removesuffix("Z")
    if tag == UTC_TIME:
        text = ("20" if int(text[:2]) < 50 else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
