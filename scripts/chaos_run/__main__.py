"""Kill, freeze and cut off everything at random, then count: nothing may be missing or double.

Exit code 1 when anything is.
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from chaos_run import plan
from chaos_run.parts import PartError, device_name
from chaos_run.proof import accepted, audit, prove
from chaos_run.run import Cast, Run
from edge_infer.wire.payloads import OutboxHealth

SHOWN = 10
SCENARIOS: dict[str, Callable[[argparse.Namespace, plan.Victims], list[plan.Step]]] = {
    "random": lambda chosen, victims: plan.draw(chosen.seed, chosen.seconds, victims),
    "queue-lost": lambda chosen, victims: plan.lose_the_queue(chosen.seconds, victims),
    "collector-kills": lambda chosen, victims: plan.kill_while_storing(chosen.seconds, victims),
}


def main() -> int:
    """The exit code."""
    chosen = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM):  # nothing is left running
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="edge-infer-chaos-") as folder:
        try:
            summary = chaos(chosen, Path(folder))
        except PartError as error:
            print(f"scripts/chaos: {error}", file=sys.stderr)
            return 69
    if chosen.json:
        print(json.dumps(summary))
    else:
        print("\n".join(f"{key:12} {_words(value)}" for key, value in summary.items()))
    return 0 if summary["proved"] else 1


def chaos(chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run, and say what became of all results."""
    cast = Cast(chosen.devices, chosen.collectors, chosen.db == "postgres", chosen.ack, chosen.durability)
    with Run(folder, cast, chosen.seed) as run:
        run.suffer(SCENARIOS[chosen.scenario](chosen, run.victims), chosen.seconds)
        drain_s, failed = run.drain()
        names = [device_name(number) for number in range(1, chosen.devices + 1)]
        proof = prove({name: accepted(folder / name / "log") for name in names}, run.database)
        audited, epochs = audit(run.database)
    reports = [_report(folder / name / "report.json") for name in names]
    return {
        "proved": proof.holds(chosen.durability) and audited == 0 and not failed,
        "seed": chosen.seed,
        "faults": dict(sorted(run.kills.items())),
        "results": proof.made,
        "rows": proof.rows,
        "missing": len(proof.missing),
        "early": len(proof.early),
        "double": len(proof.double),
        "changed": len(proof.changed),
        "given_up": dict(proof.given_up),
        "unlogged": proof.unlogged,
        "resent": sum(report.resent for report in reports if report),
        "duplicates": run.duplicates(),
        "drain_s": round(drain_s, 1),
        "failed": failed,
        "audit": {"exit_code": audited, "epochs": len(epochs), **_totals(epochs)},
        "examples": [".".join(map(str, n)) for n in proof.wrong[:SHOWN]],
    }


def _totals(epochs: list[dict[str, Any]]) -> dict[str, int]:
    """How many ranges of numbers are not as they should be."""
    return {what: sum(len(epoch[what]) for epoch in epochs) for what in ("missing", "double", "awaited", "other_boots")}


def _report(path: Path) -> OutboxHealth | None:
    return msgspec.json.decode(path.read_bytes(), type=OutboxHealth) if path.exists() else None


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {inner}" for key, inner in value.items()) or "none"
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="how long things go wrong (default: 120)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same faults (default: 1)")
    parser.add_argument("--db", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--devices", type=int, default=3)
    parser.add_argument("--collectors", type=int, default=2)
    parser.add_argument("--durability", choices=["relaxed", "strict"], default="relaxed")
    parser.add_argument(
        "--ack",
        choices=["collector", "broker"],
        default="collector",
        help="broker: the control, which trusts the broker and has to lose results",
    )
    parser.add_argument(
        "--scenario",
        choices=list(SCENARIOS),
        default="random",
        help="queue-lost: the collectors are down, then the broker is killed with all that it had queued for them; "
        "collector-kills: they are killed again and again while they store",
    )
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
