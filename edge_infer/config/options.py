"""Options of a call -> an instance of a struct class, with the checks that a file would get."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from edge_infer.errors import UsageError

T = TypeVar("T", bound=msgspec.Struct)


def from_options(type_: type[T], options: Mapping[str, Any], what: str) -> T:
    """The struct; texts may stand for paths and numbers.

    Raises:
        UsageError: an option of `what` is unknown, missing, or has an impossible value.
    """
    try:
        return msgspec.convert(dict(options), type_, strict=False, dec_hook=lambda kind, value: kind(value))
    except (msgspec.ValidationError, TypeError) as error:
        raise UsageError(f"an option of {what} is wrong: {error}") from error
