"""One request over HTTP(S): where it may go, and what its failures mean."""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from edge_infer import __version__
from edge_infer.errors import TransientError, UnavailableError, UsageError

# Seconds until a server that says nothing counts as hung: more than a phone takes to find its network again.
TIMEOUT_S = 30.0
# Worth another try. Source: RFC 9110 section 15, RFC 6585 section 4.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class StatusError(UnavailableError):
    """A server's answer that no other try will change."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def check_address(url: str) -> None:
    """See that an address may be asked: https, or http on this very machine.

    Raises:
        UsageError: it may not.
    """
    try:
        parts = urlsplit(url)
        allowed = bool(parts.hostname) and (
            parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))
        )
    except ValueError:
        allowed = False
    if not allowed:
        raise UsageError(f"models are not fetched from {url}: give an https:// address, or a folder")


class _Redirects(HTTPRedirectHandler):
    """Follows redirects (ten at most, as urllib counts) to addresses that may be asked."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        try:
            check_address(newurl)
        except UsageError as error:
            fp.close()
            raise StatusError(f"{_host(req.full_url)} leads to {newurl}, which is not safe to follow", code) from error
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]  # typeshed: HTTPMessage


@contextmanager
def answered(url: str, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
    """The answer to GET, whose body is still to be read; what fails in the block is told as a failure of this server.

    Raises:
        TransientError: trying again may work.
        StatusError: the server refuses.
        UnavailableError: there is no way to the server, or it cannot be trusted.
    """
    request = Request(url, headers={"User-Agent": f"edge-infer/{__version__}", **headers})  # noqa: S310 - checked
    host = _host(url)
    try:
        with build_opener(_Redirects).open(request, timeout=TIMEOUT_S) as response:
            yield response
    except HTTPError as error:
        error.close()
        raise _status(error, url, host) from error
    except URLError as error:
        raise _reason(error.reason, host) from error
    except (OSError, http.client.HTTPException) as error:
        raise _reason(error, host) from error


def _status(error: HTTPError, url: str, host: str) -> UnavailableError:
    if error.code in _PASSING:
        return TransientError(f"{host} answers {error.code} {error.reason}")
    if error.code // 100 == 3:  # urllib has given up: a circle, or an address of another kind
        return StatusError(f"{host} redirects {url} without end, or to what is no https address", error.code)
    return StatusError(f"{host} answers {error.code} {error.reason} for {url}", error.code)


def _reason(error: object, host: str) -> UnavailableError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return UnavailableError(
            f"the certificate of {host} is not valid ({error.verify_message}): see that the clock of this machine is "
            "right, and that ca-certificates is installed"
        )
    if isinstance(error, socket.gaierror):
        return UnavailableError(
            f"the host {host} cannot be found: connect this machine to the internet, or name another source with --from"
        )
    if isinstance(error, TimeoutError):
        return TransientError(f"{host} says nothing for {TIMEOUT_S:g} s")
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return TransientError(f"the connection to {host} fails: {text}")


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
