"""Sensors that send lines over a serial port."""

import os
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edge_infer.errors import SourceError, UnavailableError
from edge_infer.sources.live_rows import SLICE_S, LiveRows
from edge_infer.sources.readings import Layout, NotARow, Row
from edge_infer.sources.sensor_devices import list_serial
from edge_infer.sources.sensor_settings import TimeUnit
from edge_infer.sources.source import clocks

if TYPE_CHECKING:
    import serial

LONGEST = 8192  # bytes: a longer line is none
STEADY = 2.0  # times the usual step: rows that come together are not drawn further apart
LATELY = 0.1  # weight of the newest step in the usual one


class SerialSource(LiveRows):
    """Lines of numbers (with `,`, `;`, tabs or spaces between them), of `name:value` pairs, or of JSON.

    A header line names the channels. The first line may have begun before the port was open: unless it is JSON or a
    header, it is left out as "half". Rows that come in one piece, as USB brings them, are dated evenly.
    """

    def __init__(
        self,
        port: str,
        *,
        name: str = "",
        baud: int = 115200,
        parity: Literal["none", "even", "odd"] = "none",
        stop_bits: Literal[1, 2] = 1,
        channels: tuple[str, ...] = (),
        units: tuple[str, ...] = (),
        time: str = "",
        time_unit: TimeUnit | None = None,
        timeout_s: float = 2.0,
    ) -> None:
        layout = Layout(channels, units, time)
        super().__init__(name or port, f"serial port {port}", layout, time_unit=time_unit, timeout_s=timeout_s)
        self._port = _opened(port, baud, parity, stop_bits)
        self._rest = b""  # the line that is not yet whole
        self._too_long = False  # ... and what of it came before was thrown away
        self._begun = False  # a line has ended, so that the next is whole
        self._last_ns: int | None = None  # when rows came last
        self._step_ns = 0.0  # usual, from row to row

    def close(self) -> None:
        """Let go of the port."""
        self.interrupt()
        self._waiting.clear()
        self._port.close()

    def _wait(self, seconds: float) -> None:
        self._port.timeout = seconds
        try:
            came = self._port.read(max(1, self._port.in_waiting))
        except (OSError, TypeError) as error:  # TypeError: pyserial 3.5, where another thread closes the port
            raise SourceError(f"{self._shown} broke off ({error}): is it unplugged?") from error
        *lines, self._rest = (self._rest + came).split(b"\n")
        items = [item for line in lines if (item := self._item(line)) is not None]
        if len(self._rest) > LONGEST:
            self._rest, self._too_long = b"", True
        if items:
            self._date(items)

    def _item(self, line: bytes) -> Row | str | None:
        """A row, or why it is none; None for what may stand between rows."""
        first, self._begun = not self._begun, True
        too_long, self._too_long = self._too_long or len(line) > LONGEST, False
        learned = bool(self._layout.columns)
        try:
            text = "" if too_long else line.decode().replace("\0", "").strip()
            row = self._layout.line(text) if text and not text.startswith("#") else None
        except UnicodeDecodeError:
            return "half" if first else "garbage"
        except NotARow as error:
            return "half" if first else error.cause
        if row is not None and first and text[0] not in "{[":
            if not learned:
                self._layout.columns = ()
            return "half"
        return "garbage" if too_long else row

    def _date(self, items: list[Row | str]) -> None:
        """What came together was sent one after the other."""
        at, ns = clocks()
        rows = max(1, sum(not isinstance(item, str) for item in items))
        step = (ns - self._last_ns) / rows if self._last_ns is not None else 0.0
        apart = min(step, STEADY * self._step_ns) if self._step_ns else step
        self._step_ns = (1.0 - LATELY) * self._step_ns + LATELY * step if self._step_ns else step
        self._last_ns = ns
        self._take(items, at, ns, apart)


def _opened(port: str, baud: int, parity: str, stop_bits: int) -> "serial.Serial":
    """The open port, which nobody else can open then."""
    try:
        import serial
    except ImportError as error:
        raise UnavailableError("serial ports need pyserial: pip install edge-infer[sensors]") from error
    if not Path(port).exists():
        present = ", ".join(map(str, list_serial())) or "none; plug one in"
        raise SourceError(f"there is no serial port {port}; those of this machine: {present}")
    if not os.access(port, os.R_OK | os.W_OK):
        raise SourceError(f"serial port {port} may not be opened: add this user to the group that owns it (dialout)")
    try:
        return serial.Serial(port, baud, parity=parity[0].upper(), stopbits=stop_bits, timeout=SLICE_S, exclusive=True)
    except (OSError, ValueError, termios.error) as error:  # SerialException is an OSError
        raise SourceError(f"cannot open serial port {port} ({error}): see what uses it (fuser -v {port})") from error
