"""Certificates with given dates, and a broker that shows one."""

import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from broker import Mosquitto

AUTHORITY = """[ca]
default_ca = test
[test]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
"""
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def dated_broker(folder: Path, begins: datetime, ends: datetime) -> tuple[Mosquitto, Path]:
    """A broker at 127.0.0.1 whose certificate is valid from `begins` to `ends`, and the authority that signed it."""
    certificate, key, authority = make_certificate(folder, begins, ends)
    return Mosquitto(folder, f"allow_anonymous true\ncertfile {certificate}\nkeyfile {key}", scheme="mqtts"), authority


def make_certificate(folder: Path, begins: datetime, ends: datetime) -> tuple[Path, Path, Path]:
    """(certificate, key, authority), for 127.0.0.1."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl: apt install openssl")
    authority, authority_key = folder / "authority.pem", folder / "authority.key"
    certificate, key, request = folder / "dated.pem", folder / "dated.key", folder / "dated.csr"
    config = folder / "ca.conf"
    config.write_text(AUTHORITY.format(folder=folder))
    (folder / "index").touch()
    (folder / "serial").write_text("01\n")
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    signed = ["-config", config, "-cert", authority, "-keyfile", authority_key, "-in", request, "-out", certificate]
    dates = ["-startdate", f"{begins:%Y%m%d%H%M%SZ}", "-enddate", f"{ends:%Y%m%d%H%M%SZ}"]
    for command in (
        ["req", "-x509", *KEY, "-keyout", authority_key, "-out", authority, "-days", "2", "-subj", "/CN=authority"],
        ["req", *KEY, "-keyout", key, "-out", request, *name],
        ["ca", "-batch", "-notext", *signed, *dates],
    ):
        subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True, timeout=20)
    return certificate, key, authority
