"""What other packages add: sources, decoders and sinks, found by their entry points (docs/plugins.md)."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Generic, ParamSpec, Protocol, TypeVar

import msgspec

from edge_infer.errors import EdgeInferError, UnavailableError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

log = logging.getLogger(__name__)

SOURCES, DECODERS, SINKS = GROUPS = ("edge_infer.sources", "edge_infer.decoders", "edge_infer.sinks")

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


@cache
def installed(group: str) -> "Mapping[str, EntryPoint]":
    """The plug-ins of a group by name; none of them is loaded."""
    from importlib.metadata import entry_points  # 20 ms, which most have no use for

    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=group), key=package_of):
        first = found.setdefault(point.name, point)
        if package_of(first) != package_of(point):
            log.warning(
                "%s and %s both bring '%s' of %s: the first is used",
                package_of(first),
                package_of(point),
                point.name,
                group,
            )
    return found


def package_of(point: "EntryPoint") -> str:
    """Name and version of the package that brings a plug-in."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"


def find(group: str, name: str, kind: type[T]) -> T | None:
    """The plug-in of this name; None where no package brings one.

    Raises:
        UnavailableError: it cannot be loaded, or is not of this kind; the message names its package.
    """
    point = installed(group).get(name)
    if point is None:
        return None
    plugin = _loaded(point)
    if not isinstance(plugin, kind):
        raise _broken(point, f"is a {type(plugin).__name__}, not a {kind.__name__}")
    return plugin


def load(group: str, kind: type[T]) -> dict[str, T]:
    """All plug-ins of a group that can be loaded; those that cannot are named in the log, once."""
    found: dict[str, T] = {}
    for name in installed(group):
        try:
            plugin = find(group, name, kind)
        except UnavailableError as error:
            _warn_once(str(error))
        else:
            found |= {name: plugin} if plugin is not None else {}
    return found


def guarded(group: str, name: str, act: Callable[P, R]) -> Callable[P, R]:
    """A function of a plug-in; what it raises that is none of our errors is told as a failure of its package."""

    def guard(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return act(*args, **kwargs)
        except EdgeInferError:
            raise
        except Exception as error:  # somebody else's code: anything may come
            raise _broken(installed(group)[name], f"fails ({type(error).__name__}: {error})") from error

    return guard


@cache
def _loaded(point: "EntryPoint") -> object:
    try:
        return point.load()
    except Exception as error:  # somebody else's module: anything may come
        raise _broken(point, f"cannot be loaded ({type(error).__name__}: {error})") from error


@cache
def _warn_once(message: str) -> None:
    log.warning("%s", message)


def _broken(point: "EntryPoint", why: str) -> UnavailableError:
    return UnavailableError(
        f"the plug-in '{point.name}' ({point.group}) of {package_of(point)} {why}: upgrade or uninstall that package"
    )


class Configured(Protocol):
    """A plug-in that a configuration may name."""

    @property
    def settings(self) -> type[msgspec.Struct]:
        """What may be said about it there; the struct's tag is the plug-in's name."""


C = TypeVar("C", bound=Configured)


@dataclass(frozen=True)
class Extension(Generic[C]):
    """The structs that plug-ins add to a place in a configuration (`more` of config.decode)."""

    group: str
    kind: type[C]

    def names(self) -> list[str]:
        """What may stand there."""
        return list(installed(self.group))

    def struct(self, name: str) -> type[msgspec.Struct]:
        """The settings of one.

        Raises:
            UnavailableError: the plug-in cannot be used.
        """
        plugin = find(self.group, name, self.kind)
        if plugin is None:
            raise UnavailableError(f"no package brings a plug-in '{name}' ({self.group})")
        tag = plugin.settings.__struct_config__.tag
        if tag != name:
            raise _broken(installed(self.group)[name], f"has settings with the tag '{tag}'")
        return plugin.settings
