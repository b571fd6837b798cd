"""One pipeline from the command line instead of a configuration file."""

import argparse
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from edge_infer.cli.options import add_model, model_options, number, size
from edge_infer.errors import UsageError
from edge_infer.plan.points import PROFILES

if TYPE_CHECKING:
    from edge_infer.settings import Settings

S = TypeVar("S", bound=Struct)


def add_adhoc(parser: argparse.ArgumentParser) -> None:
    """--source, --model, --mqtt and --id."""
    group = parser.add_argument_group("one pipeline without a configuration file")
    group.add_argument(
        "--source", "-s", metavar="SOURCE", help="0, /dev/video0, picamera, rtsp://..., clip.mp4, photos/"
    )
    group.add_argument("--size", type=size, metavar="WxH", help="ask the camera for this size")
    group.add_argument("--fps", type=float, metavar="F", help="frames per second, at most")
    group.add_argument("--mqtt", metavar="URL", help="mqtt://host[:port] or mqtts://host[:port]")
    group.add_argument("--id", metavar="ID", help="of this device (default: its host name)")
    group.add_argument("--profile", choices=PROFILES, default="latency", help="what auto threads and workers are for")
    group.add_argument("--workers", type=number, default="auto", metavar="N", help="inferences at a time, or auto")
    add_model(parser, required=False)
    parser.set_defaults(threads="auto")


def settings_of(args: argparse.Namespace) -> "Settings":
    """What the configuration file says, or the command line.

    Raises:
        UsageError: a mixture of both, or half of the latter.
    """
    from edge_infer.settings import find_config, load_settings

    if args.source is None and args.model is None and args.mqtt is None:
        return load_settings(find_config(args.config))
    if args.config is not None:
        raise UsageError("give either --config or --source, --model and --mqtt, not both")
    if args.source is None or args.model is None:
        raise UsageError("without a configuration file both --source and --model are needed")
    return _from_arguments(args)


def _from_arguments(args: argparse.Namespace) -> "Settings":
    import platform

    from edge_infer import settings as s
    from edge_infer.bundle.manifest import Decode, Prepare
    from edge_infer.config import from_options
    from edge_infer.mqtt.broker import Broker
    from edge_infer.pipeline_settings import ModelSettings, PipelineSettings
    from edge_infer.registry import source_settings

    said = {name: value for name, value in (("size", args.size), ("fps", args.fps)) if value is not None}
    options = model_options(args)
    options |= {"path": args.model, "workers": args.workers}

    def chosen(struct: type[S]) -> S:
        mine = {name: options[name] for name in struct.__struct_fields__ if name in options}
        return from_options(struct, mine, "the model")

    pipeline = PipelineSettings(
        source=source_settings(args.source, **said),
        model=chosen(ModelSettings),
        profile=args.profile,
        prepare=chosen(Prepare),
        decode=chosen(Decode),
    )
    return s.Settings(
        version=1,
        device=s.DeviceSettings(id=args.id or platform.node().split(".")[0] or "edge"),
        mqtt=Broker(url=args.mqtt) if args.mqtt else None,
        pipelines={"main": pipeline},
    )
