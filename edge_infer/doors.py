"""Where the daemon answers on its own machine: the status socket, and the port for Prometheus."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge_infer.health.status_socket import StatusSocket
from edge_infer.report import Report
from edge_infer.settings import HealthSettings

if TYPE_CHECKING:
    from edge_infer.health.prometheus import Exporter

log = logging.getLogger(__name__)


class Doors:
    """Opens both, and goes on without one that cannot be opened; for the main loop."""

    def __init__(self, report: Report) -> None:
        self.trouble: str | None = None  # why Prometheus gets no answer, in a sentence
        self._report = report
        self._socket: StatusSocket | None = None
        self._exporter: Exporter | None = None

    def open(self) -> None:
        """Answer on the socket: in $RUNTIME_DIRECTORY (systemd sets it) for everyone, else in the state folder."""
        runtime = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
        folder = Path(runtime) if runtime else self._report.state_dir
        try:
            self._socket = StatusSocket(folder, self._document, public=bool(runtime))
        except OSError as error:
            log.warning(
                "`edge-infer status` cannot ask this daemon", extra={"folder": str(folder), "error": str(error)}
            )
            return
        self._socket.start()

    def keep_open(self, settings: HealthSettings) -> None:
        """Answer Prometheus as configured; tried again each time while it cannot be done."""
        wanted = (settings.prometheus_host, settings.prometheus_port)
        if self._exporter and self._exporter.address != wanted:
            self._exporter.close()
            self._exporter = None
        if settings.prometheus_port is None or self._exporter:
            self.trouble = None
            return
        host, port = settings.prometheus_host, settings.prometheus_port
        try:
            from edge_infer.health.prometheus import Exporter

            self._exporter = Exporter(host, port, lambda: (self._report.status(), self._report.stages()))
            self.trouble = None
        except ImportError:
            self.trouble = "health.prometheus_port needs a library: pip install 'edge-infer[prometheus]'"
        except OSError as error:
            self.trouble = f"cannot answer Prometheus on {host}:{port}: {error.strerror}; choose another port"

    def close(self) -> None:
        """Answer no more."""
        if self._exporter:
            self._exporter.close()
        if self._socket:
            self._socket.close()

    def _document(self) -> bytes:
        return msgspec.json.encode(self._report.status())
