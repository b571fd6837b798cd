"""`edge-infer models`."""

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_infer.cli.options import add_json
from edge_infer.errors import EdgeInferError, UnavailableError

if TYPE_CHECKING:
    from tqdm import tqdm

    from edge_infer.catalogue.table import Entry

MIRROR = "EDGE_INFER_MIRROR"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The four things that can be done with well-known models."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    found = {
        name: actions.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        for name, summary in (
            ("list", "what there is, and what of it is on this machine"),
            ("pull", "fetch models, so that every command knows them by their names"),
            ("where", "print the folder of a model that was pulled"),
            ("remove", "delete models that were pulled"),
        )
    }
    found["list"].add_argument("--task", metavar="TASK", help="only of this task, such as detect")
    add_json(found["list"])
    for name in ("pull", "remove"):
        found[name].add_argument("names", nargs="+", metavar="NAME", help="as `edge-infer models list` shows it")
    found["pull"].add_argument("--edgetpu", action="store_true", help="the files for the Edge TPU, too")
    found["pull"].add_argument(
        "--dir", type=Path, metavar="DIR", help="into this folder (default: $EDGE_INFER_MODELS, or where all look)"
    )
    found["pull"].add_argument(
        "--from",
        dest="source",
        metavar="URL",
        help=f"a folder or an address that holds the files by their names (default: ${MIRROR}, or their own addresses)",
    )
    found["where"].add_argument("name", metavar="NAME")


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    return {"list": _list, "pull": _pull, "where": _where, "remove": _remove}[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from edge_infer.catalogue.places import find
    from edge_infer.catalogue.table import models

    facts = [_facts(name, model, find(name)) for name, model in models().items() if args.task in (None, model.task)]
    if args.json:
        print(json.dumps({"models": facts}))
        return 0
    print(f"{'name':<27} {'task':<9} {'size':>8}  {'license':<11} {'for':<8} {'here':<5} about")
    for fact in facts:
        size = f"{fact['size'] / 1e6:.1f} MB" if isinstance(fact["size"], int) else "?"
        devices = "CPU, TPU" if fact["edgetpu"] else "CPU"
        here = "yes" if fact["path"] else "-"
        print(
            f"{fact['name']:<27} {fact['task']:<9} {size:>8}  {fact['license']:<11} {devices:<8} {here:<5} "
            f"{fact['about']}{'' if fact['verified'] else ' (not verified)'}"
        )
    return 0


def _facts(name: str, model: "Entry", place: Path | None) -> dict[str, object]:
    return {
        "name": name,
        "task": model.task,
        "about": model.about,
        "license": model.license,
        "size": model.cpu.size,
        "edgetpu": model.edgetpu is not None,
        "verified": model.cpu.sha256 is not None,
        "path": str(place) if place else None,
    }


def _pull(args: argparse.Namespace) -> int:
    """Those that cannot be had do not keep the others from coming; the exit code is that of the first."""
    from tqdm import tqdm

    from edge_infer.catalogue.places import folders
    from edge_infer.catalogue.pull import pull

    folder, code = args.dir or folders()[0], 0
    for name in args.names:
        with tqdm(desc=name, unit="B", unit_scale=True, delay=2, disable=None, leave=False) as bar:
            try:
                files = pull(
                    name,
                    folder.absolute(),
                    edgetpu=args.edgetpu,
                    source=args.source or os.environ.get(MIRROR) or None,
                    progress=partial(_show, bar),
                )
            except EdgeInferError as error:
                print(f"edge-infer: {error}", file=sys.stderr)
                code = code or error.exit_code
                continue
        print(f"{name} is in {folder.absolute() / name}")
        for file in files:
            print(f"  {file.path.name}  sha256 {file.sha256}  {'verified' if file.verified else 'not verified'}")
    return code


def _show(bar: "tqdm[Any]", done: int, total: int | None) -> None:
    bar.total = total
    bar.update(done - bar.n)


def _where(args: argparse.Namespace) -> int:
    from edge_infer.catalogue.places import pulled

    print(pulled(Path(args.name)))
    return 0


def _remove(args: argparse.Namespace) -> int:
    from edge_infer.catalogue.places import find
    from edge_infer.catalogue.pull import remove

    for name in args.names:
        place = find(name)
        if place is None:
            raise UnavailableError(f"the model {name} is not on this machine: there is nothing to remove")
        remove(place)
        print(f"removed {place}")
    return 0
