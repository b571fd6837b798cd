"""`edge-infer completion`."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shell."""
    parser.add_argument("shell", choices=("bash", "zsh"))
    parser.epilog = 'bash: eval "$(edge-infer completion bash)" in ~/.bashrc; zsh: the same with zsh in ~/.zshrc'


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    from edge_infer.cli.main import make_parser

    print(shtab.complete(make_parser(), shell=args.shell))
    return 0
