"""`edge-infer replay`."""

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from edge_infer.cli.options import add_json
from edge_infer.errors import InputError, UsageError

if TYPE_CHECKING:
    from edge_infer.tools.replay import Replayed
    from edge_infer.tools.replay_fusions import ReplayedFusions
    from edge_infer.types import Event, Result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A recording, and what is used instead of what it was made with."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `edge-infer run --record-inputs` has written")
    parser.add_argument("--pipeline", metavar="NAME", help="only this one (default: all)")
    parser.add_argument("--model", "-m", type=Path, metavar="MODEL", help="another model, or the same elsewhere")
    parser.add_argument(
        "--device", metavar="DEVICE", help="auto, cpu or edgetpu[:usb|:pci][:N], instead of the recorded"
    )
    parser.add_argument(
        "--config", "-c", type=Path, metavar="FILE", help="settings of its pipelines, instead of those recorded"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write what comes out now, as JSON lines")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Say whether the same comes out."""
    from edge_infer.tape.reader import Recorded, RecordedFusions, pipelines_in
    from edge_infer.tools.replay import Instead, Replay
    from edge_infer.tools.replay_fusions import FusionReplay
    from edge_infer.tools.retold import Retold

    there = pipelines_in(args.folder)
    names = [args.pipeline] if args.pipeline else there
    if args.model and len(names) > 1:
        raise UsageError(f"--model is for one pipeline: say which, --pipeline {' or '.join(there)}")
    instead, retold = Instead(args.model, args.config, args.device), Retold(names)
    with ExitStack() as opened:
        lines = opened.enter_context(args.out.open("wb")) if args.out else None
        write = _writer(lines)
        said = [Replay(Recorded(args.folder, name), instead, write, retold).run() for name in names]
        fused = FusionReplay(RecordedFusions(args.folder), retold, args.config, write).run()
    pipelines = [asdict(one) | {"identical": one.identical} for one in said]
    fusions = [asdict(one) | {"identical": one.identical} for one in fused.fusions]
    if args.json:
        print(msgspec.json.encode({"pipelines": pipelines, "fusions": fusions}).decode())
    else:
        print("\n".join([*(line for one in said for line in described(one)), *described_fusions(fused)]))
    damaged = [*(damage for one in said for damage in one.damaged), *fused.damaged]
    for damage in damaged:
        print(f"edge-infer: {damage}", file=sys.stderr)
    return 0 if not damaged and all(one["identical"] for one in (*pipelines, *fusions)) else InputError.exit_code


def described(said: "Replayed") -> list[str]:
    """What a person reads."""
    lines = [f"{said.pipeline}: identical: {said.results - said.different - said.unsure} of {said.results} results"]
    if said.events or said.events_different:
        lines[0] += f", {said.events - said.events_different} of {said.events} events"
    lines += [f"  model: {said.model_then}"] if said.model_then == said.model_now else []
    lines += [f"  {note}" for note in said.notes]
    if said.first:
        lines.append(f"  first difference: {said.first}")
    if said.unanswered:
        lines.append(f"  {said.unanswered} frames had no answer in time then, they are not compared")
    if said.missing:
        lines.append(f"  {said.missing} frames are not in the recording")
    if said.unsure:
        lines.append(f"  {said.unsure} answers after them differ, which proves nothing: they depend on what is missing")
    return lines


def described_fusions(said: "ReplayedFusions") -> list[str]:
    """What a person reads of fusions."""
    lines = []
    for one in said.fusions:
        same = max(0, one.events - one.different - one.unsure)
        lines.append(f"{one.fusion}: identical: {same} of {one.events} events of the fusion")
        lines += [f"  first difference: {one.first}"] if one.first else []
        if one.unsure:
            lines.append(f"  {one.unsure} differ, which proves nothing: not all that fusions were told is recorded")
    return lines + [f"  {note}" for note in said.notes if said.fusions]


def _writer(lines: IO[bytes] | None) -> "Callable[[str, Result | Event], object]":
    """What writes each result and event as `run --stdout` does."""
    from edge_infer.types import Event
    from edge_infer.wire.events import event_to_wire
    from edge_infer.wire.results import to_wire

    def write(pipeline: str, said: "Result | Event") -> None:
        if lines:
            payload = {"event": event_to_wire(said)} if isinstance(said, Event) else msgspec.to_builtins(to_wire(said))
            lines.write(msgspec.json.encode({"pipeline": pipeline} | payload) + b"\n")

    return write
