"""Where what was said then and what is said now are not the same, bit for bit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass

import numpy as np

from edge_infer.tape.entries import Tree, array_of
from edge_infer.types import Array, Result

# Of a result: how long it took and where it ran are told apart, the rest is the frame's.
TOLD_APART = frozenset({"timings_ms", "device", "model", "dropped"})
FIRST = ("error", "status")  # they explain the others
_SHOWN = 60  # characters of a value


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is another; `field` says where it stands, as in `prediction.scores[0]`."""

    field: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.field}: {self.then} then, {self.now} now"


def of_result(then: Tree, now: Result) -> list[Difference]:
    """Differences of a result from what was recorded; that an accelerator had failed, and another answered, is none."""
    told_apart = TOLD_APART | ({"status", "error"} if {then["status"], now.status} == {"ok", "degraded"} else set())
    present = {name: value for name, value in _plain(now).items() if name not in told_apart}
    recorded = {name: value for name, value in then.items() if name not in told_apart}
    found = list(differences(recorded, present))
    return sorted(found, key=lambda one: FIRST.index(one.field) if one.field in FIRST else len(FIRST))


def differences(then: Tree, now: object, field: str = "") -> Iterator[Difference]:
    """Each value of a recorded tree that is another now; `now` is an object as `entries.tree` takes it.

    What one of the two does not know is the same as nothing: a version between them has added it.
    """
    if isinstance(now, np.ndarray) or (isinstance(then, dict) and "array" in then):
        recorded = array_of(then) if isinstance(then, dict) and "array" in then else None
        yield from _of_arrays(recorded, now if isinstance(now, np.ndarray) else None, field)
        return
    present = _plain(now)
    if isinstance(then, dict) and isinstance(present, dict):
        for name in dict.fromkeys([*then, *present]):
            if (name in then and name in present) or not _is_nothing(then[name] if name in then else present[name]):
                yield from differences(then.get(name), present.get(name), f"{field}.{name}".lstrip("."))
    elif isinstance(then, list) and isinstance(present, list) and len(then) == len(present):
        for place, (one, other) in enumerate(zip(then, present, strict=True)):
            yield from differences(one, other, f"{field}[{place}]")
    elif repr(then) != repr(present):  # tells 0.0 from -0.0, and takes NaN for itself
        yield Difference(field, _shown(then), _shown(present))


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, list | tuple | Mapping | str | bool) and not value)


def _plain(value: object) -> Tree:
    """One level of an object as `entries.tree` would have it."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(name): item for name, item in value.items()}
    if isinstance(value, tuple):
        return list(value)
    if is_dataclass(value):
        return {"type": type(value).__name__} | {each.name: getattr(value, each.name) for each in fields(value)}
    return value


def _of_arrays(then: Array | None, now: Array | None, field: str) -> Iterator[Difference]:
    if then is None or now is None or then.shape != now.shape or then.dtype != now.dtype:
        yield Difference(field, _kind_of(then), _kind_of(now))
        return
    others = np.flatnonzero(_bits(then) != _bits(now))
    if len(others):
        place = tuple(int(at) for at in np.unravel_index(others[0], then.shape))
        where = f"{field}[{', '.join(map(str, place))}]" if place else field
        more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
        yield Difference(where, _shown(then[place].item()), f"{_shown(now[place].item())}{more}")


def _bits(array: Array) -> Array:
    """Each number as so many bytes that are compared."""
    return np.ascontiguousarray(array).reshape(-1).view(f"V{array.itemsize}")


def _kind_of(array: Array | None) -> str:
    return "nothing" if array is None else f"{list(array.shape)} {array.dtype}"


def _shown(value: object) -> str:
    text = f"a {value['type']}" if isinstance(value, dict) and "type" in value else repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
