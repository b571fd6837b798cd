"""`edge-infer tune`."""

import argparse
import json
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_infer.cli.options import add_config, add_json, positive, seconds
from edge_infer.errors import StalledError, UnavailableError, UsageError

if TYPE_CHECKING:
    from edge_infer.evidence import Evidence
    from edge_infer.settings import Settings
    from edge_infer.tools.tune.measuring import Effort
    from edge_infer.tools.tune.tune import Subject, Tuned, Work


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is measured, and how long."""
    parser.add_argument(
        "models",
        nargs="*",
        type=Path,
        metavar="MODEL",
        help="models alone (default: those of the configuration, each beside its running source)",
    )
    add_config(parser)
    parser.add_argument("--seconds", type=seconds, default=0.5, metavar="S", help="of each turn (default: 0.5)")
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="turns of each setting (default: 5)")
    parser.add_argument("--write", action="store_true", help="keep the figures: threads and workers `auto` go by them")
    parser.add_argument("--again", action="store_true", help="measure also what is known")
    parser.add_argument("--anyway", action="store_true", help="measure even beside a running daemon")
    parser.add_argument("--plan", action="store_true", help="only show which model of the configuration runs where")
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="where figures are kept (default: the daemon's)")
    group = parser.add_argument_group("where models alone run")
    group.add_argument("--device", default="auto", metavar="DEVICE", help="auto, cpu or edgetpu[:usb|:pci][:N]")
    group.add_argument("--runtime", choices=("ai_edge_litert", "tflite_runtime"), help="force one of the two")
    group.add_argument("--delegate", metavar="FILE", help="Edge TPU library, if not the system's")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, or tell what is known; 75 where it was stopped, 69 where no setting of a model can be used."""
    from edge_infer.deliver.state_dir import default_state_dir
    from edge_infer.evidence import keep_evidence, read_evidence
    from edge_infer.settings import find_config, load_settings

    if args.models and (args.config or args.plan):
        raise UsageError("give either models, or the configuration that names them")
    settings = None if args.models else load_settings(find_config(args.config))
    state_dir = args.state_dir or (settings and settings.device.state_dir) or default_state_dir()
    known = read_evidence(state_dir)
    if args.plan:
        assert settings is not None  # noqa: S101 - see above
        return _plan(settings, known, as_json=args.json)
    found = _found(args, _subjects(args, settings), known, state_dir)
    new = {key: one for tuned in found if tuned.is_new and tuned.is_whole for key, one in tuned.evidence.items()}
    written = keep_evidence(new, state_dir) if args.write and new else None
    if args.json:
        print(json.dumps(_document(found, written)))
    else:
        for line in _lines(found, written, wrote=args.write):
            print(line)
    if not all(tuned.is_whole for tuned in found):
        return StalledError.exit_code
    return 0 if all(tuned.points for tuned in found) else UnavailableError.exit_code


def _subjects(args: argparse.Namespace, settings: "Settings | None") -> "list[Subject]":
    from edge_infer.pipeline_settings import ModelSettings, PipelineSettings
    from edge_infer.runtime.delegate import check_device
    from edge_infer.sources.settings import PiCameraSettings
    from edge_infer.tools.tune.tune import of_models, of_pipelines

    if settings:
        return list(of_pipelines(settings.pipelines))
    model = ModelSettings(path=Path(), device=check_device(args.device), runtime=args.runtime, delegate=args.delegate)
    return of_models(args.models, PipelineSettings(source=PiCameraSettings(), model=model))  # a source is not opened


def _found(
    args: argparse.Namespace, subjects: "list[Subject]", known: "dict[str, Evidence]", state_dir: Path
) -> "list[Tuned]":
    """What is known of each, measured now where it is not."""
    from edge_infer.tools.tune.measuring import Effort
    from edge_infer.tools.tune.tune import known_of, work_of

    works = [work_of(subject) for subject in subjects]
    found = {work: None if args.again else known_of(work, known) for work in works}
    todo = [work for work in works if found[work] is None]
    if todo and not args.anyway:
        _see_that_nobody_disturbs(state_dir)
    measured = _measured(todo, Effort(args.seconds, args.rounds)) if todo else {}
    return [tuned for work in works if (tuned := found[work] or measured.get(work))]


def _measured(todo: "list[Work]", effort: "Effort") -> "dict[Work, Tuned]":
    from tqdm import tqdm

    from edge_infer.flow.signals import led_by_signals
    from edge_infer.tools.tune.tune import tune, unfinished

    about_s = sum(work.seconds(effort) for work in todo)
    turns = sum(len(work.candidates) for work in todo) * effort.rounds
    stop, found = threading.Event(), {}
    bar = tqdm(total=turns, unit="turns", delay=2, disable=None, file=sys.stderr, leave=False)
    with led_by_signals(stop.set), bar:
        print(f"edge-infer: {turns} turns, about {about_s:.0f} s; ^C ends it with what there is", file=sys.stderr)
        for work in todo:
            bar.set_description(work.subject.name)
            found[work] = unfinished(work) if stop.is_set() else tune(work, effort, stop, bar.update)
    return found


def _see_that_nobody_disturbs(state_dir: Path) -> None:
    from edge_infer.tools.daemons import daemons

    try:
        answers, stalled = daemons(state_dir)
    except UnavailableError:
        return
    who = ", ".join(f"'{answer.status.device}'" for answer in answers) or "that does not answer"
    if answers or stalled:
        raise StalledError(
            f"a daemon runs on this machine ({who}): it takes what is measured, and the camera. Stop it first, "
            "or give --anyway"
        )


def _document(found: "list[Tuned]", written: Path | None) -> dict[str, Any]:
    from msgspec import to_builtins

    from edge_infer.evidence import processor
    from edge_infer.health.process import cores
    from edge_infer.plan.points import PROFILES, ranked, why_best

    models = [
        {
            "name": tuned.name,
            "model": tuned.model,
            "known": not tuned.is_new,
            "complete": tuned.is_whole,
            "files": to_builtins(tuned.evidence),
            "best": {
                profile: {"point": to_builtins(order[0]), "why": why_best(tuned.points, profile)}
                for profile in PROFILES
                if (order := ranked(tuned.points, profile))
            },
            "left_out": dict(tuned.left_out),
        }
        for tuned in found
    ]
    return {"processor": processor(), "cores": cores(), "models": models, "written": written and str(written)}


def _lines(found: "list[Tuned]", written: Path | None, *, wrote: bool) -> list[str]:
    from edge_infer.cli.tuned import table

    lines = [line for tuned in found for line in [*table(tuned), ""]]
    if written:
        lines.append(f"kept in {written}: pipelines with threads and workers `auto` go by it from their next start on")
    elif any(tuned.is_new for tuned in found) and not wrote:
        lines.append("nothing was kept: --write does that, or set threads and workers in the configuration")
    return lines


def _plan(settings: "Settings", known: "dict[str, Evidence]", *, as_json: bool) -> int:
    from edge_infer.cli.tuned import plan_lines
    from edge_infer.placing import planned, task_of
    from edge_infer.runtime.pool import meant

    tasks = {name: task for name, one in settings.pipelines.items() if (task := task_of(name, one, known))}
    missing = [name for name in settings.pipelines if name not in tasks]
    if not tasks:
        raise UnavailableError("nothing was measured yet: `edge-infer tune --write` does it, beside the sources")
    plan = planned(list(tasks.values()), meant("auto"))
    if as_json:
        figures = {"late_ms": dict(plan.late_ms), "response_ms": dict(plan.response_ms), "load": dict(plan.load)}
        print(json.dumps({"on": dict(plan.device_of), **figures, "best": plan.is_best, "not_measured": missing}))
    else:
        print("\n".join(plan_lines(plan, tasks, missing)))
    return 0
