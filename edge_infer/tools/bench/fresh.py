"""A fresh process that asks a model for the first time, and notes when it got where.

python -m edge_infer.tools.bench.fresh SPAWNED_NS URL DEVICE THREADS DELEGATE STATE_DIR MODEL
"""

import time

BEGAN_NS = time.monotonic_ns()  # before anything heavy is imported

import json  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

WAIT_S = 60.0


def main(spawned_ns: int, url: str, device: str, threads: int, delegate: str, state_dir: Path, path: Path) -> None:
    """Print how long (ms) each step took."""
    from edge_infer.deliver.publisher import MqttPublisher
    from edge_infer.loading import load
    from edge_infer.runtime.libraries import find_library

    find_library()
    imported_ns = time.monotonic_ns()
    with load(path, device=device, threads=threads, delegate=delegate or None) as model:
        loaded_ns = time.monotonic_ns()
        from edge_infer.tools.noise import noise_frame

        frame = noise_frame(model)
        asked_ns = time.monotonic_ns()
        result = model.predict(frame)
        answered_ns = time.monotonic_ns()
        with MqttPublisher(url, device="bench-fresh", state_dir=state_dir) as publisher:
            publisher.publish(result, "bench")
            deadline = time.monotonic() + WAIT_S
            while publisher.outbox.counts.acknowledged < 1 and time.monotonic() < deadline:
                time.sleep(0.0005)
            acknowledged_ns = time.monotonic_ns()
    steps = {
        "python": BEGAN_NS - spawned_ns,
        "import": imported_ns - BEGAN_NS,
        "load": loaded_ns - imported_ns,
        "first inference": answered_ns - asked_ns,
        "first result": acknowledged_ns - answered_ns,
    }
    print(json.dumps({name: ns / 1e6 for name, ns in steps.items()}))  # noqa: T201 - its answer


if __name__ == "__main__":
    spawned, url, device, threads, delegate, state_dir, model = sys.argv[1:]
    main(int(spawned), url, device, int(threads), delegate, Path(state_dir), Path(model))
