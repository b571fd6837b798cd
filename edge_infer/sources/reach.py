"""Why a stream did not open: OpenCV does not say."""

import socket
from urllib.parse import urlsplit

TIMEOUT = 1.0  # s; somebody waits for the message
# Source: IANA service name and port number registry (RTMP's is listed as macromedia-fcs)
PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "http": 80, "https": 443}


def why_unreachable(url: str) -> str:
    """The likely reason, and what to do: knocks at the host's port once."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or PORTS.get(parts.scheme.lower())
    except ValueError:
        return "its host or port is malformed; write rtsp://user:password@host:port/path, with %40 for an @ inside"
    if parts.scheme.lower() == "udp" or host is None or port is None:
        return "no video arrived; check that the sender runs and sends to this port"
    try:
        socket.create_connection((host, port), TIMEOUT).close()
    except OSError as error:
        return f"{host}:{port} does not answer ({error.strerror or error}); check the address and that the camera is on"
    return f"{host}:{port} answers but gives no video; check path, user and password"
