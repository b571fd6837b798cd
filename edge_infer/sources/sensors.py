"""The source of readings for what a configuration says of it."""

from msgspec import structs

from edge_infer.sources.sensor_settings import IioSettings, SensorSettings, SerialSettings, TableSettings
from edge_infer.sources.source import BaseSource


def open_sensor(settings: SensorSettings, name: str = "") -> BaseSource:
    """The opened source; modules that need a library are loaded here.

    Raises:
        SourceError: the sensor or broker is not there, or does not answer.
        UnavailableError: there is no such file, or a library is not installed.
        InputError: the file is no table.
    """
    said = {key: value for key, value in structs.asdict(settings).items() if key not in ("uri", "buffered")}
    if isinstance(settings, TableSettings):
        from edge_infer.sources.table import TableSource

        return TableSource(settings, name=name)
    if isinstance(settings, SerialSettings):
        from edge_infer.sources.serial_lines import SerialSource

        return SerialSource(settings.uri, name=name, **said)
    if isinstance(settings, IioSettings):
        from edge_infer.sources.iio import IioSource
        from edge_infer.sources.iio_buffer import IioBuffer

        if settings.buffered:
            return IioBuffer(settings.uri, name=name, **said)
        del said["trigger"]
        return IioSource(settings.uri, name=name, **said)
    from edge_infer.sources.topic import TopicSource

    return TopicSource(settings, name=name)
