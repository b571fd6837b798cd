"""Print the tables of docs/anomaly.md."""

import argparse
import os
import sys
from pathlib import Path

from bench_anomaly import machine, tails, views

DATA = Path(__file__).resolve().parents[3] / "shared/testdata"
CLASSIFIER = "models/mobilenet_v2_1.0_224_quant.tflite"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench-anomaly")
    parser.add_argument("--hours", type=float, default=2.0, help="held-out vibration to count false alarms in")
    args = parser.parse_args()
    machine.compare()
    machine.alarms(args.hours)
    machine.cost()
    tails.simulate()
    views.judge(Path(os.environ.get("EDGE_INFER_TESTDATA", DATA), CLASSIFIER))
    return 0


if __name__ == "__main__":
    sys.exit(main())
