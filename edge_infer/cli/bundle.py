"""`edge-infer bundle`."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_infer.cli.options import add_json, add_use, model_options, positive

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge_infer.golden import Verdict
    from edge_infer.types import Frame

TASKS = ("classify", "detect", "segment", "pose", "embed", "regress", "anomaly", "tensors")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two things that can be done with a bundle."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    summary = "make a bundle of a model file: all that was found out about it, and a golden test"
    create = actions.add_parser("create", help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    create.add_argument("model", type=Path, metavar="MODEL", help="a .tflite file, or another bundle")
    create.add_argument("--out", type=Path, required=True, metavar="DIR", help="the bundle's folder")
    create.add_argument(
        "--input",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="for the golden test: pictures, folders or patterns of them, or recordings (x.wav, x.csv)",
    )
    create.add_argument("--edgetpu", type=Path, metavar="FILE", help="the same model, compiled for the Edge TPU")
    create.add_argument("--task", choices=TASKS, help="what it must be; another one is refused")
    create.add_argument("--name", metavar="NAME", help="what results call it (default: the file's name)")
    create.add_argument("--version", metavar="V", help="of the bundle (default: 1.0.0)")
    create.add_argument("--license", metavar="L", help="of the model, such as Apache-2.0 (default: what its file says)")
    create.add_argument("--force", action="store_true", help="replace a bundle that lies there")
    add_use(create)
    summary = "hold a bundle to its golden test"
    test = actions.add_parser("test", help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    test.add_argument("model", type=Path, metavar="DIR", help="a bundle folder")
    test.add_argument("--device", default="auto", metavar="DEVICE", help="auto, cpu or edgetpu[:usb|:pci][:N]")
    test.add_argument("--threads", type=positive, default=1, metavar="N", help="CPU threads for one inference")
    test.add_argument("--runtime", choices=("ai_edge_litert", "tflite_runtime"), help="force one of the two")
    test.add_argument("--delegate", metavar="FILE", help="Edge TPU library, if not the system's")
    add_json(test)


def run(args: argparse.Namespace) -> int:
    """Make one, or try one."""
    return _create(args) if args.action == "create" else _test(args)


def _create(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from edge_infer.tools.bundle_made import WHERE, Wanted, create_bundle
    from edge_infer.tools.bundle_tested import noticed

    def progress(frames: "Sequence[Frame]") -> "Iterable[Frame]":
        return tqdm(frames, desc="golden test", delay=2, disable=None, file=sys.stderr, leave=False)

    options = model_options(args)
    wanted = Wanted(
        args.out,
        args.input,
        options,
        edgetpu=args.edgetpu,
        task=args.task,
        name=args.name,
        version=args.version,
        license=args.license,
        replace=args.force,
    )
    created = create_bundle(args.model, wanted, progress)
    for doubt in created.doubts:
        print(f"edge-infer: {doubt}", file=sys.stderr)
    manifest = created.manifest
    print(f"wrote {args.out}: {manifest.name}@{manifest.version}, {manifest.task}, {manifest.license}")
    if manifest.golden:
        where = {name: options[name] for name in WHERE if name in options}
        found = noticed(args.out, where)
        for yes, what in ((True, "notices"), (False, "does not notice")):
            if mistakes := [mistake for mistake, seen in found.items() if seen is yes]:
                print(f"its golden test {what}: {', '.join(mistakes)}")
    return 0


def _test(args: argparse.Namespace) -> int:
    from edge_infer.bundle.bundle import open_bundle
    from edge_infer.errors import ModelError
    from edge_infer.golden import golden_verdicts
    from edge_infer.loading import load

    bundle = open_bundle(args.model)
    if bundle.golden is None:
        raise ModelError(
            f"{args.model} has no golden test, so nothing was tried: `edge-infer bundle create {args.model} --input "
            "FILE... --out DIR` makes a bundle with one"
        )
    where = {name: getattr(args, name) for name in ("device", "threads", "runtime", "delegate")}
    with load(args.model, **where) as model:
        facts: dict[str, Any] = {"model": str(model.id), "task": model.task, "compare": bundle.golden.compare}
        facts |= {"device": model.device, "runtime": model.runtime.library}
        verdicts, noun = [], "window" if model.wanted else "picture"
        if not args.json:
            print(f"{facts['model']}, {facts['task']}, on {facts['device']} with {facts['runtime']}")
        for verdict in golden_verdicts(bundle, model):
            verdicts.append(_facts(verdict))
            if not args.json:
                _print_verdict(verdict)
        facts |= {"device": model.device, "fallback_reason": model.fallback_reason}
    ok = all(verdict["ok"] for verdict in verdicts)
    if args.json:
        print(json.dumps(facts | {"ok": ok, f"{noun}s": verdicts}))
    return 0 if ok else ModelError.exit_code


def _facts(verdict: "Verdict") -> dict[str, Any]:
    return {
        verdict.noun: verdict.frame.number,
        **_size(verdict),
        "ok": not verdict.problems,
        "problems": verdict.problems,
        "timings_ms": {stage: round(ms, 3) for stage, ms in verdict.result.timings_ms.items()},
    }


def _size(verdict: "Verdict") -> dict[str, int]:
    """Of a picture or a window."""
    names = ("samples", "channels") if verdict.frame.span else ("height", "width")
    size = dict(zip(names, verdict.frame.data.shape, strict=False))
    return size if verdict.frame.span else {"width": size["width"], "height": size["height"]}


def _print_verdict(verdict: "Verdict") -> None:
    size = "x".join(map(str, _size(verdict).values()))
    took = sum(verdict.result.timings_ms.values())
    what = f"{verdict.noun} {verdict.frame.number}"
    print(f"{'FAIL' if verdict.problems else 'ok  '}  {what:<11} {size:<9} {took:7.1f} ms")
    for problem in verdict.problems:
        print(f"        {problem}")
