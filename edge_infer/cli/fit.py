"""`edge-infer fit`."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge_infer.cli.options import add_config, add_json, numbers, positive, rate, seconds, size, words
from edge_infer.errors import UsageError

if TYPE_CHECKING:
    from edge_infer.sources.settings import SourceSettings
    from edge_infer.tools.fit_anomaly.views import Look

PER_DAY = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be learned on a device, and from what."""
    actions = parser.add_subparsers(dest="action", metavar="WHAT", required=True)
    summary = "learn what is normal for a machine, a room or a view, and make a bundle that tells what is not"
    anomaly = actions.add_parser("anomaly", help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    anomaly.add_argument("--source", "-s", metavar="SOURCE", help="as of `edge-infer run`; now all must be normal")
    anomaly.add_argument("--pipeline", metavar="NAME", help="instead: the source of this pipeline of --config")
    add_config(anomaly)
    anomaly.add_argument("--out", type=Path, required=True, metavar="DIR", help="the bundle's folder")
    anomaly.add_argument("--name", metavar="NAME", help="what results call the model (default: the folder's)")
    anomaly.add_argument("--minutes", type=seconds, metavar="M", help="how long to record (default: 30; all of a file)")
    anomaly.add_argument(
        "--false-alarms-per-day",
        type=seconds,
        default=PER_DAY,
        metavar="N",
        help=f"how often what is normal may be taken for an anomaly (default: {PER_DAY:g})",
    )
    group = anomaly.add_argument_group("samples of sound or sensors")
    group.add_argument("--window", type=positive, metavar="N", help="samples of a window (default: 1 s, at least 64)")
    group.add_argument("--takes", choices=("audio", "series"), help="channels are mixed into one, or each is looked at")
    group.add_argument("--rate-hz", type=rate, metavar="HZ", help="look at so many samples a second")
    group.add_argument("--channels", type=words, metavar="A,B", help="learn these only")
    group = anomaly.add_argument_group("pictures")
    group.add_argument(
        "--embed", type=Path, metavar="MODEL", help="look through this model: embeddings, or a classifier"
    )
    group.add_argument("--roi", type=numbers, metavar="X0,Y0,X1,Y1", help="look only at this part, in pixels")
    group.add_argument("--size", type=size, metavar="WxH", help="ask the camera for this size")
    group.add_argument("--fps", type=seconds, metavar="F", help="frames per second, at most; as the pipeline will have")
    add_json(anomaly)


def run(args: argparse.Namespace) -> int:
    """Record, learn, write the bundle, and say how far it may be trusted."""
    from contextlib import ExitStack

    from tqdm import tqdm

    from edge_infer.flow.signals import led_by_signals
    from edge_infer.registry import make_source
    from edge_infer.tools.fit_anomaly.embedding import embedder
    from edge_infer.tools.fit_anomaly.fit import Wish, check_folder, fit
    from edge_infer.tools.fit_anomaly.recording import Recorder
    from edge_infer.tools.fit_anomaly.views import EmbeddingView

    settings, look = _source(args)
    wish = Wish(args.out, args.false_alarms_per_day, args.name)
    check_folder(args.out)  # not after ten minutes
    with ExitStack() as opened:
        looking = opened.enter_context(embedder(args.embed, look.roi)) if args.embed else None
        total = None if args.minutes is None else round(60 * args.minutes)
        bar = tqdm(desc="recording", total=total, unit="s", delay=2, disable=None, file=sys.stderr, leave=False)

        def progress(over: float) -> None:
            bar.update(max(0, int(over) - bar.n))

        recorder = Recorder(lambda: make_source(settings), total, progress)
        with bar, led_by_signals(recorder.stop):
            view_of = (lambda _first: EmbeddingView(looking.model, looking.prepare)) if looking else look.view_of
            view, recording = recorder.record(view_of)
        report = fit(view, recording, wish, looking)
    if args.json:
        print(json.dumps({"bundle": str(args.out)} | report.facts))
        return 0
    for line in report.lines:
        print(line)
    for doubt in report.doubts:
        print(f"edge-infer: {doubt}", file=sys.stderr)
    print(f"{args.out}: a bundle; edge-infer run --model {args.out} --source ... tells what is unusual")
    return 0


def _source(args: argparse.Namespace) -> "tuple[SourceSettings, Look]":
    """What is recorded, and how it is looked at: what is said wins over what the pipeline says."""
    from typing import get_args

    from edge_infer.bundle.manifest import Prepare
    from edge_infer.registry import source_settings
    from edge_infer.settings import find_config, load_settings
    from edge_infer.sources.audio_settings import AudioSettings
    from edge_infer.tools.fit_anomaly.views import Look

    if (args.source is None) == (args.pipeline is None):
        raise UsageError("give either --source, or --pipeline and perhaps --config")
    if args.roi is not None and len(args.roi) != 4:
        raise UsageError(f"--roi takes four numbers x0,y0,x1,y1, not {len(args.roi)}")
    prepare = Prepare()
    if args.source is not None:
        said = {name: value for name in ("size", "fps") if (value := getattr(args, name)) is not None}
        settings = source_settings(args.source, **said)
    else:
        pipelines = load_settings(find_config(args.config)).pipelines
        if args.pipeline not in pipelines:
            raise UsageError(f"there is no pipeline '{args.pipeline}'; there are {', '.join(pipelines)}")
        settings, prepare = pipelines[args.pipeline].source, pipelines[args.pipeline].prepare
    takes = args.takes or prepare.input
    sound = takes == "audio" if takes else isinstance(settings, get_args(AudioSettings))
    return settings, Look(
        sound=sound,
        window=args.window or prepare.window,
        rate_hz=args.rate_hz or prepare.rate_hz,
        channels=args.channels or prepare.channels or (),
        roi=args.roi or prepare.roi,
    )
