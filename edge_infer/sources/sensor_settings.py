"""What a configuration may say of the sources of readings."""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from edge_infer.mqtt.broker import Broker, BrokerUrlError, CaFile, CertFile, KeyFile, PasswordFile, Username

TimeUnit: TypeAlias = Literal["s", "ms", "us", "ns", "iso"]
Seconds = Annotated[float, Meta(gt=0.0, le=86400.0)]
Rate = Annotated[float, Meta(gt=0.0, le=1e6)]

SILENT = "a sensor that gives nothing for longer is lost, and opened anew; see max_frame_age_s, too"
NAMES = "names of the columns or fields, in order; _ leaves one out; default: as a header line or the first object says"
OWN_TIME = "column or field with the time that the sensor itself says; default: when it came"
TIME_UNIT = "of these times; default: by their name and size"


class IioSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="iio"):
    """A sensor that the Linux kernel has a driver for (Industrial I/O): acceleration, temperature, ADCs, ..."""

    uri: Annotated[
        str,
        Meta(description="number, name or label, as `edge-infer devices` shows", examples=["mpu6050"]),
    ]
    channels: Annotated[tuple[str, ...], Meta(description="such as accel_x; default: all")] = ()
    rate_hz: Annotated[Rate, Meta(description="readings a second")] = 10.0
    buffered: Annotated[
        bool, Meta(description="let the kernel collect the readings at the sensor's own pace: for high rates")
    ] = False
    trigger: Annotated[str, Meta(description="buffered: name of the trigger to use; default: the sensor's own")] = ""
    timeout_s: Annotated[Seconds, Meta(description=SILENT)] = 2.0


class SerialSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="serial"):
    """A sensor that sends lines over a serial port: numbers with separators, or JSON."""

    uri: Annotated[
        str,
        Meta(
            description="/dev/serial/by-id/... which stays with the sensor, or /dev/ttyUSB0",
            examples=["/dev/ttyUSB0"],
        ),
    ]
    baud: Annotated[int, Meta(ge=50, le=4_000_000, description="bits a second")] = 115200
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    channels: Annotated[tuple[str, ...], Meta(description=NAMES)] = ()
    units: Annotated[tuple[str, ...], Meta(description="of the channels, in their order")] = ()
    time: Annotated[str, Meta(description=OWN_TIME)] = ""
    time_unit: Annotated[TimeUnit | None, Meta(description=TIME_UNIT)] = None
    timeout_s: Annotated[Seconds, Meta(description=SILENT)] = 2.0


class TableSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="table"):
    """Readings from a CSV or Parquet file; none is dropped."""

    uri: Path
    channels: Annotated[tuple[str, ...], Meta(description="columns to read; without a header line: what they are")] = ()
    time: Annotated[str, Meta(description="column of times; default: one that is called time, t, timestamp, ...")] = ""
    time_unit: Annotated[TimeUnit | None, Meta(description=TIME_UNIT)] = None
    case: Annotated[
        str,
        Meta(description="column that changes where another recording begins; default: one called case or segment"),
    ] = ""
    rate_hz: Annotated[
        Rate | None, Meta(description="rows a second, whatever the times say: for tables without them")
    ] = None
    pace: Annotated[Literal["fast", "realtime"], Meta(description="as fast as it goes, or as the times say")] = "fast"
    loop: Annotated[bool, Meta(description="start again at the end")] = False
    max_pause_s: Annotated[Seconds, Meta(description="realtime: a longer pause between two rows is cut to this")] = 60.0


class TopicSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="mqtt"):
    """Readings that others publish over MQTT: JSON objects, arrays or numbers."""

    uri: Annotated[
        str,
        Meta(
            description="mqtt://host[:1883]/topic or mqtts://host[:8883]/topic (TLS); + and # are wildcards",
            examples=["mqtt://broker.local/home/attic/climate"],
        ),
    ]
    channels: Annotated[
        tuple[str, ...], Meta(description="fields, nested ones as acc.x; default: all numbers of the first message")
    ] = ()
    units: Annotated[tuple[str, ...], Meta(description="of the channels, in their order")] = ()
    time: Annotated[str, Meta(description=OWN_TIME)] = ""
    time_unit: Annotated[TimeUnit | None, Meta(description=TIME_UNIT)] = None
    retained: Annotated[bool, Meta(description="take the message that the broker keeps, too: it may be old")] = False
    timeout_s: Annotated[Seconds, Meta(description=SILENT)] = 60.0
    client_id: Annotated[str, Meta(description="default: another one for each connection")] = ""
    username: Username = None
    password_file: PasswordFile = None
    ca_file: CaFile = None
    cert_file: CertFile = None
    key_file: KeyFile = None

    def __post_init__(self) -> None:
        self.broker()
        levels = self.topic.split("/")
        wild = [place for place, level in enumerate(levels) if "#" in level or "+" in level]
        if any(levels[place] not in ("+", "#") for place in wild) or "#" in levels[:-1]:
            raise ValueError(f"'{self.topic}' is no topic: + is a whole level, # all that follow, at the end")
        if wild and not self.channels:
            raise ValueError(f"'{self.topic}' is several topics: say which channels there are (docs/sensors.md)")

    @property
    def topic(self) -> str:
        """What to subscribe to."""
        return self.uri.split("/", 3)[3] if self.uri.count("/") > 2 else ""

    def broker(self) -> Broker:
        """Where, and as whom.

        Raises:
            BrokerUrlError: the URL is not one of a broker with a topic, or carries credentials.
        """
        if not self.topic:
            raise BrokerUrlError(f"'{self.uri}' names no topic; use mqtt://host[:port]/topic")
        return Broker(
            url="/".join(self.uri.split("/", 3)[:3]),
            username=self.username,
            password_file=self.password_file,
            ca_file=self.ca_file,
            cert_file=self.cert_file,
            key_file=self.key_file,
        )


SensorSettings: TypeAlias = IioSettings | SerialSettings | TableSettings | TopicSettings
