"""YAML text -> a tree of nodes that know their place. Refuses what a configuration file has no use for."""

from typing import Any

import yaml
from yaml.reader import Reader

from edge_infer.errors import Problem

# libyaml where PyYAML was built with it: ten times faster, with the same places.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_DEPTH = 50  # structs nest less than ten deep; libyaml's composer overflows the C stack somewhere above 20,000


class Unreadable(Exception):  # noqa: N818 - becomes a ConfigError one call up, with the name of the file
    """The text is not one document of plain YAML; carries the only `problem`."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(line + 1, column + 1, "", message)


def compose(text: str) -> yaml.Node | None:
    """The root node of the only document, None if there is none; nodes are never shared and at most 50 deep.

    Raises:
        Unreadable: a syntax error, an alias, more than one document, or too deep.
    """
    if bad := Reader.NON_PRINTABLE.search(text):
        before = text[: bad.start()].split("\n")
        raise Unreadable(len(before) - 1, len(before[-1]), _unprintable(bad.group()))
    try:
        _check_events(text)
        root: yaml.Node | None = yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(text, error) from error
    return root


def _check_events(text: str) -> None:
    depth = documents = 0
    for event in yaml.parse(text, Loader=LOADER):
        refused = ""
        if isinstance(event, yaml.AliasEvent):
            refused = "aliases (*name) are not supported: write the value out again"
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            refused = f"nested more than {MAX_DEPTH} deep" if depth > MAX_DEPTH else ""
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            refused = "a second document starts here: a file holds one" if documents > 1 else ""
        if refused:
            raise Unreadable(*_place(event.start_mark), refused)


def _syntax_error(text: str, error: yaml.MarkedYAMLError) -> Unreadable:
    line, column = _place(error.problem_mark)
    if error.problem_mark and text[error.problem_mark.index :].startswith("\t"):
        return Unreadable(line, column, "not valid YAML: a tab cannot indent, use spaces")
    context = f" {error.context}" if error.context else ""
    since = f" (from line {_place(error.context_mark)[0] + 1})" if error.context_mark else ""
    return Unreadable(line, column, f"not valid YAML: {error.problem}{context}{since}")


def _place(mark: Any) -> tuple[int, int]:
    return (mark.line, mark.column) if mark else (0, 0)


def _unprintable(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # how load() reads a byte that is not UTF-8
        return f"byte 0x{ord(character) - 0xDC00:02X} is not UTF-8: save the file as UTF-8"
    return f"character U+{ord(character):04X} is not allowed in YAML: remove it, or write it as an escape in quotes"
