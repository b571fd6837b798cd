"""Makes the models that ship: `scripts/build-models [NAME...]`."""

import argparse
import sys

from build_models import activity, faces

MODELS = {"face-detection": faces.build, "activity": activity.build}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/build-models", description="Make the models that ship.")
    parser.add_argument("names", nargs="*", choices=[[], *MODELS], metavar="NAME", help=f"of {', '.join(MODELS)}")
    names = parser.parse_args().names or list(MODELS)
    return next((code for name in names if (code := MODELS[name]())), 0)


if __name__ == "__main__":
    sys.exit(main())
