"""When certificates begin and end to be valid."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from certificates import make_certificate

from edge_infer.tools.doctor.certificate import Validity, in_file, validity

LONG_AGO, MUCH_LATER = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC), datetime(2071, 8, 9, 10, 11, 12, tzinfo=UTC)


def test_dates_are_read_of_both_kinds(tmp_path: Path) -> None:
    """Years up to 2049 are written with two digits, later ones with four."""
    certificate, _, _ = make_certificate(tmp_path, LONG_AGO, MUCH_LATER)
    assert in_file(certificate) == Validity(LONG_AGO, MUCH_LATER)
    certificate.write_text(f"what OpenSSL writes before it\n{certificate.read_text()}\nand behind it")
    assert in_file(certificate) == Validity(LONG_AGO, MUCH_LATER)


@pytest.mark.parametrize("der", [b"", b"no certificate", b"\x30\x80", b"\x30\x03\x30\x01\x30", bytes(64), b"\x30\x82"])
def test_what_is_no_certificate_is_told(der: bytes) -> None:
    with pytest.raises(ValueError, match=r"no X\.509 certificate"):
        validity(der)


def test_a_file_without_a_certificate_is_told(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----")
    with pytest.raises(ValueError, match="substring not found"):
        in_file(tmp_path / "key.pem")
