"""Why a broker cannot be used, in words that tell what to do."""

import socket
import ssl


def why(error: Exception, *, tls: bool) -> str:
    """What kept us from reaching it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); set ca_file to the authority that signed it"
    if tls and isinstance(error, ssl.SSLError | ConnectionResetError):
        return f"TLS fails ({getattr(error, 'reason', None) or error}); is that port a TLS one?"
    if isinstance(error, socket.gaierror):
        return f"the host is not known ({error.strerror})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error)


def advice(reason: str) -> str:
    """What to do about a refusal, to be added to it."""
    if reason in ("Bad user name or password", "Not authorized"):
        return "; check username and password_file"
    return ""


def taken_over(url: str, client_id: str) -> str:
    """Another client has our id."""
    return f"another client has connected to {url} as '{client_id}': two devices have one id, give each one of its own"
