"""Keeps what fusions were told, and when, with what they said, so that they can be replayed (docs/replay.md)."""

import logging
from collections.abc import Mapping
from dataclasses import replace

import msgspec

from edge_infer.analyse.fusion_settings import FusionSettings
from edge_infer.fusing import Occasion
from edge_infer.provenance import beginning_of_fusions
from edge_infer.reel import Reel
from edge_infer.tape.entries import Told, Tree, encode, tree
from edge_infer.tape.folder import FUSED, Room
from edge_infer.tape.segment import packed

log = logging.getLogger(__name__)

WAITING = 1000  # occasions: each is 1 kB, and a device has a few in a second


class FusionReel(Reel[tuple[int, Occasion]]):
    """The files of all fusions of a run."""

    def __init__(self, run: str, room: Room) -> None:
        super().__init__("fusions", "what fusions were told", room, waiting=WAITING, suffix=FUSED)
        self._run_name = run
        self._places = 0

    def take(self, occasion: Occasion) -> None:
        """Take it over; one thread at a time."""
        self._put((self._places, occasion))
        self._places += 1

    def close(self) -> None:
        """Write what waits, for some seconds."""
        super().close()
        if not self._worker.error:
            log.info("fusions recorded", extra={"told": self.kept, "dropped": self.dropped})

    def _write(self, given: tuple[int, Occasion]) -> None:
        place, occasion = given
        if self._is_full:
            self._end()
        segment = self._segment or self._begin_segment(beginning_of_fusions(self._run_name, plain(occasion.settings)))
        told = Told(
            place=place,
            now_ns=occasion.now_ns,
            pipeline=occasion.pipeline,
            event=tree(replace(occasion.event, detail=None)) if occasion.event else None,
            settings=None if occasion.changed is None else plain(occasion.changed),
            said=tree(occasion.said),
        )
        self._append(segment, packed("told", 0, place, encode(told)))
        self.kept += 1


def plain(settings: Mapping[str, FusionSettings]) -> dict[str, Tree]:
    """The settings as plain values."""
    found: dict[str, Tree] = msgspec.to_builtins(settings)
    return found
