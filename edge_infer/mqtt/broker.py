"""Where the broker is and how we prove who we are."""

import ssl
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from edge_infer.config.credential import credential
from edge_infer.errors import UnavailableError, UsageError

PORTS = {"mqtt": 1883, "mqtts": 8883}  # Source: IANA service names mqtt and secure-mqtt

FORM = "use mqtt://host[:port] or mqtts://host[:port]"

# How to log in at a broker, wherever that is configured.
Username: TypeAlias = Annotated[str | None, Meta(description="name to log in with")]
PasswordFile: TypeAlias = Annotated[
    Path | None, Meta(description="file with the password in its first line; or the name of a systemd credential")
]
CaFile: TypeAlias = Annotated[
    Path | None, Meta(description="certificate authority of the broker; default: the system's")
]
CertFile: TypeAlias = Annotated[Path | None, Meta(description="client certificate")]
KeyFile: TypeAlias = Annotated[Path | None, Meta(description="private key of the client certificate")]


class BrokerUrlError(UsageError, ValueError):
    """The URL of a broker is none; a ValueError too, so that a configuration's reader tells the place."""


class Broker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The MQTT broker that results go to."""

    url: Annotated[
        str,
        Meta(
            description="mqtt://host[:1883] or mqtts://host[:8883] (TLS, the server is checked)",
            examples=["mqtt://broker.local"],
        ),
    ]
    username: Username = None
    password_file: PasswordFile = None
    ca_file: CaFile = None
    cert_file: CertFile = None
    key_file: KeyFile = None
    root: Annotated[str, Meta(description="root of all topics", pattern="^[^#+]+$")] = "edge/v1"
    protocol: Annotated[
        Literal["auto", "5", "3.1.1"], Meta(description="auto: MQTT 5, or 3.1.1 where the broker is old")
    ] = "auto"
    keepalive_s: Annotated[
        int, Meta(ge=5, le=600, description="a dead connection is noticed after at most twice this")
    ] = 15
    window: Annotated[int, Meta(ge=1, le=100, description="messages in flight; the broker's own limit applies too")] = (
        20
    )

    ack: Annotated[
        Literal["auto", "broker", "collector"],
        Meta(
            description="when a result is safe: when the broker has taken it, or when a collector has stored it; auto: "
            "the latter for good, once a collector has been heard"
        ),
    ] = "auto"
    resend_s: Annotated[
        float,
        Meta(ge=1.0, le=600.0, description="what no collector has stored by then is sent again; doubles each time"),
    ] = 30.0
    backlog_per_s: Annotated[
        float, Meta(ge=1.0, description="results a second of those that had to wait, beside the live ones")
    ] = 1000.0
    linger_s: Annotated[
        float,
        Meta(
            ge=0.0,
            le=1.0,
            description="results that follow each other faster than this go out together; events never wait",
        ),
    ] = 0.02
    deflate: Annotated[
        bool, Meta(description="compress messages of more than 1 kB; subscribers must inflate them (docs/wire.md)")
    ] = False

    def __post_init__(self) -> None:
        self.address()

    def address(self) -> tuple[str, int, bool]:
        """(host, port, TLS).

        Raises:
            BrokerUrlError: the URL is not one of a broker, or carries credentials.
        """
        try:
            parts = urlsplit(self.url)
        except ValueError as error:
            raise BrokerUrlError(f"the broker's URL is none ({error}); {FORM}") from error
        if parts.username or parts.password:  # first: the other messages show the URL
            raise BrokerUrlError(
                "the broker's URL must not hold a user or password, it is shown in logs: use username and password_file"
            )
        try:
            port = parts.port
        except ValueError as error:
            raise BrokerUrlError(f"the broker's URL {self.url} has a wrong port: {error}") from error
        if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise BrokerUrlError(f"'{self.url}' is no broker's URL; {FORM}")
        return parts.hostname, port or PORTS[parts.scheme], parts.scheme == "mqtts"

    def password(self) -> str | None:
        """The first line of the password file; a relative name is looked for among systemd's credentials first.

        Raises:
            UnavailableError: the file cannot be read.
        """
        if self.password_file is None:
            return None
        path = credential(self.password_file)
        try:
            return path.read_text("utf-8").split("\n", 1)[0].rstrip("\r")
        except OSError as error:
            raise UnavailableError(f"cannot read the broker's password file {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UnavailableError(f"the broker's password file {path} is not UTF-8: save it as text") from error

    def tls(self) -> ssl.SSLContext:
        """A context that checks the server's certificate and name.

        Raises:
            UnavailableError: a certificate or key file is missing or damaged.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file and credential(self.key_file))
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(str(path) for path in (self.ca_file, self.cert_file, self.key_file) if path)
            raise UnavailableError(f"cannot use the TLS files {files}: {error}") from error
        return context
