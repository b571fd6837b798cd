"""All fusions of a device."""

from collections.abc import Mapping

from edge_infer.analyse.fusion import Fusion
from edge_infer.analyse.fusion_settings import FusionSettings
from edge_infer.types import Event


class Fusions:
    """Takes messages and says what they amount to; the label of an event is the name of its fusion.

    What it says follows from the calls of `__call__` and `change` alone; `turn` brings it earlier, and changes nothing.
    """

    def __init__(self, settings: Mapping[str, FusionSettings]) -> None:
        self.settings = dict(settings)
        self._fusions = {name: Fusion(name, one) for name, one in settings.items()}

    def __call__(self, event: Event, pipeline: str, now_ns: int) -> list[Event]:
        """What happens with a message about an event of a pipeline; `now_ns` (monotonic) never goes back."""
        return [said for fusion in self._fusions.values() for said in fusion(event, pipeline, now_ns)]

    def turn(self, now_ns: int) -> list[Event]:
        """What happens because time goes on."""
        return [said for fusion in self._fusions.values() for said in fusion.turn(now_ns)]

    def change(self, settings: Mapping[str, FusionSettings], now_ns: int) -> list[Event]:
        """From now on there are these; those that are gone or different end, those that are the same go on."""
        kept = {name: one for name, one in self._fusions.items() if settings.get(name) == self.settings[name]}
        ending = [fusion for name, fusion in self._fusions.items() if name not in kept]
        self._fusions = {name: kept.get(name) or Fusion(name, one) for name, one in settings.items()}
        self.settings = dict(settings)
        return [said for fusion in ending for said in fusion.end("stopped", now_ns)]
