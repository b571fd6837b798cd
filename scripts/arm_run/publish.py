"""The main job, with the device on the board and the rest on this machine: its results are counted in the database."""

import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from arm_run.boards import REPOSITORY
from arm_run.emulation import PACKAGE, Emulation
from edge_infer.errors import EdgeInferError
from edge_infer.tools.demo import EDGE_INFER, audit, started, wait_for
from edge_infer.tools.local_broker import free_port, local_broker

PLACE = "/srv/device"  # where the device sees the folder
PICTURES = 10
MODEL = "models/face-detection"
STOP_S = 20.0


def publish(emulation: Emulation) -> dict[str, Any]:
    """Rows, missing and double, after a run without a broker and one with it.

    The first leaves its results in the outbox's file on the disk, the second takes them along.

    Raises:
        EdgeInferError: a part did not start, or failed.
    """
    with tempfile.TemporaryDirectory(prefix="edge-infer-arm-") as name, local_broker() as url:
        folder = Path(name)
        (folder / "pictures").mkdir()
        sample = (REPOSITORY / MODEL / "sample.jpg").read_bytes()
        for number in range(PICTURES):
            (folder / "pictures" / f"{number:02}.jpg").write_bytes(sample)
        device = replace(emulation, folders={PLACE: folder})
        _run(device, folder, f"mqtt://127.0.0.1:{free_port()}")
        status = [*EDGE_INFER, "outbox", "status", "--json", "--state-dir", str(folder / "state")]
        kept = msgspec.json.decode(subprocess.run(status, capture_output=True, check=True).stdout)["results"]
        database = folder / "collected.db"
        command = [*EDGE_INFER, "collector", "run", "--mqtt", url, "--db", str(database), "--log-level", "error"]
        with started(command, subprocess.DEVNULL, None) as collector:
            wait_for(database.exists, collector, "the collector")
            _run(device, folder, url)
            collector.terminate()
            collector.wait(STOP_S)
        return {"published": 2 * PICTURES, "kept_on_disk": kept} | audit(database)


def _run(device: Emulation, folder: Path, url: str) -> None:
    configuration = {
        "version": 1,
        "device": {"id": "board", "state_dir": f"{PLACE}/state"},
        "mqtt": {"url": url, "ack": "collector", "resend_s": 2},
        "pipelines": {
            "faces": {
                "source": {"kind": "images", "uri": f"{PLACE}/pictures"},
                "model": {"path": f"/{PACKAGE}/{MODEL}"},
            }
        },
    }
    (folder / "config.yaml").write_bytes(msgspec.json.encode(configuration))  # JSON is YAML
    done = device.run("python3", "-m", "edge_infer", "run", "--config", f"{PLACE}/config.yaml")
    if done.returncode:
        raise EdgeInferError(f"the device ended with exit code {done.returncode}: {done.stderr.strip()}")
