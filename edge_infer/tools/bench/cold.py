"""Cold starts: from nothing to a result that the broker has taken, by stage, each in a process of its own."""

import json
import subprocess
import sys
import tempfile
import time

from edge_infer.errors import EdgeInferError
from edge_infer.tools.bench.given import Given
from edge_infer.tools.bench.record import Settings
from edge_infer.tools.bench.turn import Turn

START_S = 300.0  # a large model from a slow card
STEPS = ("python", "import", "load", "first inference", "first result")


def start(given: Given, settings: Settings, url: str) -> Turn:
    """One start.

    Raises:
        EdgeInferError: it fails.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edge-infer-bench-", dir=settings.state_dir) as folder:
        arguments = [url, settings.device, str(settings.threads), settings.delegate or "", folder, str(given.path)]
        command = [sys.executable, "-m", "edge_infer.tools.bench.fresh", str(time.monotonic_ns()), *arguments]
        ended = subprocess.run(command, capture_output=True, timeout=START_S, check=False)
    if ended.returncode:
        reason = ended.stderr.decode(errors="replace").strip().splitlines()
        raise EdgeInferError(f"{given.path} does not start in a fresh process: {reason[-1] if reason else 'no reason'}")
    took_ms: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    total_ms = sum(took_ms.values())
    ms = {name: [value] for name, value in (took_ms | {"total": total_ms}).items()}
    return Turn(1, total_ms / 1e3, 0.0, began, time.monotonic(), ms)
