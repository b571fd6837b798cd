"""Whether the events that fusions are made of can happen at all."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from edge_infer.analyse.fusion_settings import ANY, FusionSettings, Reference
from edge_infer.config.words import did_you_mean

PLAIN = frozenset({"object", "class", "anomaly"})  # kinds of events that have no place


class Line(Protocol):
    """A line in a picture."""

    @property
    def directions(self) -> tuple[str, str]:
        """The names of the two ways to cross it."""


class Events(Protocol):
    """Which events a pipeline tells."""

    @property
    def kinds(self) -> Collection[str] | None:
        """None: all."""

    @property
    def labels(self) -> Collection[str] | None:
        """None: all; zones and lines may have their own."""


class Telling(Protocol):
    """A pipeline, as far as its events go."""

    @property
    def happenings(self) -> Events | None:
        """None: it tells no events."""

    @property
    def zones(self) -> Mapping[str, object]:
        """By name."""

    @property
    def lines(self) -> Mapping[str, Line]:
        """By name."""


def unknown_names(fusions: Mapping[str, FusionSettings], pipelines: Mapping[str, Telling]) -> list[str]:
    """What is wrong with names of fusions, and with pipelines, zones, lines and directions in them, in sentences."""
    problems = [f"fusions.{name}: a pipeline has this name already" for name in fusions if name in pipelines]
    for place, reference in references(fusions):
        pipeline = pipelines.get(reference.pipeline)
        if pipeline is None:
            problems.append(
                f"{place}: there is no pipeline '{reference.pipeline}'{_near(reference.pipeline, pipelines)}"
            )
        elif pipeline.happenings is None:
            problems.append(f"{place}: {reference.pipeline} tells no events, add `events: {{}}` to it")
        elif problem := _untold(reference, pipeline.happenings) or _unknown_place(reference, pipeline):
            problems.append(f"{place}: {problem}")
    return problems


def unknown_labels(fusions: Mapping[str, FusionSettings], labels: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Which label of a fusion its model does not have, by fusion; `labels` by pipeline, empty where nobody knows."""
    problems = {}
    for place, reference in references(fusions):
        known = labels.get(reference.pipeline, ())
        if known and reference.label not in (*known, ANY):
            hint = _near(reference.label, known)
            problems[place.split(".")[1]] = (
                f"{place}: the model of {reference.pipeline} has no label '{reference.label}'{hint}"
            )
    return problems


def references(fusions: Mapping[str, FusionSettings]) -> Iterator[tuple[str, Reference]]:
    """Each event that a fusion names, with its place in the configuration."""
    for name, fusion in fusions.items():
        for key in ("all_of", "any_of", "none_of"):
            for text in getattr(fusion, key):
                yield f"fusions.{name}.{key}", Reference.of(text)


def _untold(reference: Reference, events: Events) -> str | None:
    kinds = {reference.kind} if reference.kind else PLAIN
    if events.kinds is not None and kinds.isdisjoint(events.kinds):
        return f"{reference.pipeline} does not tell such events: add {' or '.join(sorted(kinds))} to its events.kinds"
    if not reference.kind and events.labels is not None and reference.label not in (*events.labels, ANY):
        return f"{reference.pipeline} tells nothing of '{reference.label}': add it to its events.labels"
    return None


def _unknown_place(reference: Reference, pipeline: Telling) -> str | None:
    if not reference.kind:
        return None
    places: Collection[str] = pipeline.zones if reference.kind == "zone" else pipeline.lines
    if reference.where not in places:
        return f"{reference.pipeline} has no {reference.kind} '{reference.where}'{_near(reference.where, places)}"
    if reference.direction and reference.direction not in (known := pipeline.lines[reference.where].directions):
        return f"the directions of the line '{reference.where}' are {' and '.join(known)}, not '{reference.direction}'"
    return None


def _near(name: str, known: Collection[str]) -> str:
    hint = did_you_mean(name, known)
    return f", {hint}" if hint else f"; there are {', '.join(list(known)[:10])}" if known else ""
