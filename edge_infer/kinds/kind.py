"""What a kind of model is, what is known of a model before, and what was decided about it after."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from edge_infer.bundle.exports import Export
from edge_infer.bundle.manifest import Decode, Prepare
from edge_infer.bundle.metadata import Metadata
from edge_infer.bundle.model_file import ModelFile
from edge_infer.bundle.wake_word import WakeWord
from edge_infer.decode.decoder import ClassFilter, Decoder
from edge_infer.prepare.image import ImageOptions
from edge_infer.prepare.samples import SampleOptions
from edge_infer.types import TensorSpec

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Clues:
    """What the files of a model tell.

    Attributes:
        metadata: TFLite metadata
        export: what another exporter has written into the file
        wake_word: what lies beside a model that listens for one
    """

    model: ModelFile
    metadata: Metadata | None = None
    export: Export | None = None
    wake_word: WakeWord | None = None

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Of the model file; one whose size is decided at run time has shape ()."""
        return self.model.outputs


@dataclass(frozen=True)
class Recipe:
    """How one model is used.

    Attributes:
        clues: of the model without inputs that are fed and outputs that are fed back
        inputs: what is always the same, by the name of the input
        state: which output each of these inputs is given the next time
        places: of the outputs that the decoder is given, among all
        found: where each part comes from, for `inspect`
        doubts: what its files say and is not believed, for people
    """

    kind: str
    task: str
    prepare: ImageOptions | SampleOptions
    decode: Decode
    labels: tuple[str, ...]
    clues: Clues
    inputs: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    state: Mapping[str, str] = field(default_factory=dict)
    places: tuple[int, ...] = ()
    found: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    def given(self, *names: str) -> dict[str, Any]:
        """What is said of these fields of `decode`; for the rest a decoder has its own defaults."""
        said = {name: getattr(self.decode, name) for name in names}
        return {name: value for name, value in said.items() if value is not None}

    def filter(self) -> ClassFilter | None:
        """Which classes may be reported."""
        if not self.decode.allow and not self.decode.deny:
            return None
        return ClassFilter(self.labels, self.decode.allow or (), self.decode.deny or ())


@dataclass(frozen=True)
class Kind:
    """One kind of model.

    Attributes:
        name: as `--decoder` and `decode: {kind: ...}` call it
        task: classify, detect, segment, pose, embed, regress, anomaly or tensors
        summary: what its outputs are, in a few words, for lists
        build: the decoder for a recipe, the specs of the outputs and the shapes of their arrays (a model may decide
            them at run time); raises ModelError where the outputs are not what it needs, or the labels do not fit
        recognise: by what in the model's files it is recognised, in a few words; None: it is something else
        usual_prepare, usual_decode: what it needs where nobody says anything else
        usual_labels: labels where no file has any
        label_output: which output the labels belong to
        classes: how many its outputs tell apart; 0: that is not known
        explain: what `build` decides itself, each part with its value and what tells it, for `inspect`
    """

    name: str
    task: str
    summary: str
    build: Callable[[Recipe, Sequence[TensorSpec], Sequence[Shape]], Decoder]
    recognise: Callable[[Clues], str | None] = lambda _clues: None
    usual_prepare: Prepare = field(default_factory=Prepare)
    usual_decode: Decode = field(default_factory=Decode)
    usual_labels: tuple[str, ...] = ()
    label_output: int = 0
    classes: Callable[[Clues], int] = lambda _clues: 0
    explain: Callable[[Recipe], Mapping[str, tuple[str, str]]] = lambda _recipe: {}
