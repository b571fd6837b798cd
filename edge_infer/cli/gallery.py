"""`edge-infer gallery`."""

import argparse
import json
import sys
from pathlib import Path

from edge_infer.cli.options import add_json, add_model, model_options
from edge_infer.errors import EdgeInferError, UsageError

ACTIONS = {
    "add": "take pictures into a gallery; it is made where it is not there",
    "list": "the labels of a gallery, and how many pictures each has",
    "remove": "take labels or pictures out of a gallery",
    "extractor": "make a model that gives embeddings of one that classifies",
    "imprint": "make a model that knows the labels of a gallery as its classes",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be done with a gallery."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    found = {
        name: actions.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        for name, summary in ACTIONS.items()
    }
    for name in ("add", "list", "remove", "imprint"):
        found[name].add_argument("file", type=Path, metavar="GALLERY", help="an .npz file")
    found["add"].add_argument("inputs", nargs="+", metavar="INPUT", help="a picture, a folder, or a pattern")
    found["add"].add_argument("--label", metavar="NAME", help="what they show (default: the names of their folders)")
    add_model(found["add"], required=True)
    add_json(found["list"])
    found["remove"].add_argument("--label", action="append", default=[], metavar="NAME", help="all pictures of it")
    found["remove"].add_argument("--picture", action="append", default=[], metavar="FILE", help="as it was added")
    found["extractor"].add_argument("model", type=Path, metavar="MODEL", help="a .tflite file that classifies")
    found["imprint"].add_argument("--model", "-m", type=Path, required=True, help="the classifier of the extractor")
    found["imprint"].add_argument("--keep-classes", action="store_true", help="the classifier's own stay, too")
    for name in ("extractor", "imprint"):
        found[name].add_argument("--out", type=Path, required=True, metavar="FILE", help="the new .tflite file")


def run(args: argparse.Namespace) -> int:
    """Do it."""
    actions = {"add": _add, "list": _list, "remove": _remove, "extractor": _extractor, "imprint": _imprint}
    return actions[args.action](args)


def _add(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from edge_infer.kinds.gallery_file import write_gallery
    from edge_infer.loading import load
    from edge_infer.tools.gallery import added, check_embeds, embedded, files_of, known_pictures, opened

    pictures = known_pictures(args.inputs, args.label)
    models = files_of(args.model)
    gallery = opened(args.file, models)
    codes, new = [], []
    with load(args.model, **model_options(args)) as model:
        check_embeds(model)
        for known in tqdm(pictures, delay=2, disable=None, file=sys.stderr, leave=False):
            try:
                new.append((known, embedded(model, known)))
            except EdgeInferError as error:
                codes.append(error.exit_code)
                print(f"edge-infer: {error}", file=sys.stderr)
    if new:
        whole = added(gallery, models, new)
        write_gallery(args.file, whole)
        print(f"{args.file}: {len(new)} pictures added, {len(whole)} of {len(whole.names)} labels are there")
    return next(iter(codes), 0)


def _list(args: argparse.Namespace) -> int:
    from edge_infer.kinds.gallery_file import read_gallery

    gallery = read_gallery(args.file)
    pictures: dict[str, list[str]] = {name: [] for name in gallery.names}
    for label, source in zip(gallery.labels, gallery.sources, strict=True):
        pictures[label].append(source)
    if args.json:
        facts = {"dimensions": gallery.vectors.shape[1], "models": gallery.models, "labels": pictures}
        print(json.dumps({"gallery": str(args.file)} | facts))
        return 0
    print(f"{args.file}: {len(gallery)} pictures, vectors of {gallery.vectors.shape[1]} numbers")
    for name, sources in pictures.items():
        print(f"  {len(sources):>5}  {name}")
    return 0


def _remove(args: argparse.Namespace) -> int:
    from edge_infer.kinds.gallery_file import read_gallery, write_gallery
    from edge_infer.tools.gallery import without

    if not args.label and not args.picture:
        raise UsageError("what is to be removed? Give --label or --picture")
    gallery = read_gallery(args.file)
    left = without(gallery, args.label, args.picture)
    write_gallery(args.file, left)
    print(f"{args.file}: {len(gallery) - len(left)} pictures removed, {len(left)} are left")
    return 0


def _extractor(args: argparse.Namespace) -> int:
    from edge_infer.tools.gallery_imprint import write_extractor

    print(f"{args.out}: gives embeddings of {write_extractor(args.model, args.out)} numbers")
    return 0


def _imprint(args: argparse.Namespace) -> int:
    from edge_infer.tools.gallery_imprint import write_imprinted

    labels = write_imprinted(args.model, args.file, args.out, keep=args.keep_classes)
    print(f"{args.out}: knows {len(labels)} classes")
    return 0
