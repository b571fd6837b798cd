"""What a model is fed with: a picture or samples, constants, and what it said itself the last time."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_infer.bundle.model_file import ModelFile, Signature
from edge_infer.errors import InputError, ModelError
from edge_infer.prepare.image import ImageOptions, ImagePreparer, image_layout
from edge_infer.prepare.samples import SampleOptions, SamplePreparer
from edge_infer.runtime.runtime import Memory
from edge_infer.types import Array, Frame, Geometry, Size, TensorSpec, Wanted

# What tells the input of a state from its output, and what converters add to names.
_SIDE = re.compile(r"(?:^|[_/:.])(?:in|out|input|output|new|next|prev|old|serving_default|statefulpartitionedcall|\d+)"
                   r"(?=$|[_/:.])")  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A picture as an input, made before the turn of its frame came.

    Attributes:
        by: what made it, and uses the tensor again later
        ms: how long that took
    """

    by: ImagePreparer
    tensor: Array
    geometry: Geometry
    ms: float


class Feeder:
    """All inputs of a model, in its order; belongs to one thread."""

    def __init__(
        self,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        options: ImageOptions | SampleOptions,
        constants: Mapping[str, Sequence[float]],
        state: Mapping[str, str],
    ) -> None:
        """`constants` by the name of their input; `state`: output by the input that is given it the next time.

        Raises:
            ModelError: an input that is none of these, or a name that does not exist.
        """
        names = [spec.name for spec in inputs]
        self._kept = [
            (_place(name, names, "input"), _place(source, [spec.name for spec in outputs], "output"))
            for name, source in state.items()
        ]
        fixed = {_place(name, names, "input"): values for name, values in constants.items()}
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)
        taken = {*fixed, *(place for place, _ in self._kept)}
        self.prepare: ImagePreparer | SamplePreparer
        if isinstance(options, SampleOptions):
            self._place = _find_samples(inputs, taken)
            self.prepare = SamplePreparer(inputs[self._place], options)
        else:
            self._place = _find_picture(inputs, taken)
            self.prepare = ImagePreparer(inputs[self._place], options)
        self._tensors = [_constant(spec, fixed.get(place, (0.0,))) for place, spec in enumerate(inputs)]
        self._next: tuple[str, int] | None = None
        self._memories: Sequence[Memory] = ()
        self._trusted: ImagePreparer | None = None  # makes what our own would
        self.remembers = self._is_fed_back()

    def __call__(self, frame: Frame, prepared: Prepared | None = None) -> tuple[list[Array], Geometry]:
        """The inputs for a frame; a frame that does not follow the last one finds the model as it was at first."""
        if self.remembers:
            if not self._follows(frame):
                self.forget()
            self._next = frame.source, frame.number + 1
        if prepared is not None and self.takes(prepared):
            tensor, geometry = prepared.tensor, prepared.geometry
        else:
            tensor, geometry = self._prepared(frame)
        self._tensors[self._place] = tensor
        return self._tensors, geometry

    def takes(self, prepared: Prepared) -> bool:
        """Whether it would have made the same."""
        if prepared.by is not self._trusted and isinstance(self.prepare, ImagePreparer):
            self._trusted = prepared.by if prepared.by.serves(self.prepare) else None
        return prepared.by is self._trusted

    def forgets_with(self, memories: Sequence[Memory]) -> None:
        """What else forgets when this does; `remembers` says whether what is given for a frame depends on others."""
        self._memories = memories
        self.remembers = self._is_fed_back() or bool(memories)

    def _is_fed_back(self) -> bool:
        return bool(self._kept) or (isinstance(self.prepare, SamplePreparer) and self.prepare.remembers)

    def another_preparer(self, buffers: int) -> ImagePreparer | None:
        """What makes pictures ready ahead, in another thread; None for what must be made in turn."""
        if self.remembers or not isinstance(self.prepare, ImagePreparer):
            return None
        return ImagePreparer(self.prepare.spec, self.prepare.options, buffers)

    def _follows(self, frame: Frame) -> bool:
        """A picture may be a few later than the last one, samples must go on where the last window ended."""
        if self._next is None or self._next[0] != frame.source:
            return False
        return frame.number == self._next[1] if frame.span else frame.number >= self._next[1]

    def _prepared(self, frame: Frame) -> tuple[Array, Geometry]:
        if isinstance(self.prepare, SamplePreparer):
            return self.prepare(frame)
        if frame.span:
            raise InputError("the model takes pictures, and these are samples of sound or of a sensor")
        return self.prepare(frame.data)

    @property
    def wanted(self) -> Wanted | None:
        """The windows of samples that the model takes; None: it takes pictures."""
        return self.prepare.wanted if isinstance(self.prepare, SamplePreparer) else None

    def keep(self, outputs: Sequence[Array]) -> None:
        """Remember what is fed back."""
        for place, source in self._kept:
            given, wanted = self._outputs[source], self._inputs[place]
            same = (given.dtype, given.scale, given.zero_point) == (wanted.dtype, wanted.scale, wanted.zero_point)
            value = outputs[source] if same else wanted.stored(given.real(outputs[source]))
            self._tensors[place] = value.reshape(wanted.shape)

    def forget(self) -> None:
        """Begin with states of zero, and with a front end that has heard nothing."""
        if isinstance(self.prepare, SamplePreparer):
            self.prepare.forget()
        for memory in self._memories:
            memory.forget()
        for place, _ in self._kept:
            self._tensors[place] = _constant(self._inputs[place], (0.0,))


def input_shapes(
    model: ModelFile, size: Size | None, usual: Size | None = None, window: int | None = None
) -> tuple[tuple[int, ...], ...]:
    """The shapes of the inputs where the model leaves some open; empty where all are fixed.

    Batches are of 1, pictures of `size` (width, height), or else of the `usual` one, sound and readings of `window`
    samples.

    Raises:
        ModelError: a size is needed and not known; or it is given, and the model has its own.
    """
    picture = next((spec for spec in model.inputs if len(spec.shape) == 4), None)
    if size and picture is not None:
        height, width = _sides(picture)
        if -1 not in picture.signature[height : width + 1] and (picture.shape[width], picture.shape[height]) != size:
            raise ModelError(
                f"{model.path} takes pictures of {picture.shape[width]}x{picture.shape[height]} only: "
                f"leave out size {size}"
            )
    chosen = tuple(_chosen(model, spec, size or usual, window) for spec in model.inputs)
    return chosen if chosen != tuple(spec.shape for spec in model.inputs) or _open(model) else ()


def _open(model: ModelFile) -> bool:
    return any(spec.signature for spec in model.inputs)


def _chosen(model: ModelFile, spec: TensorSpec, size: Size | None, window: int | None) -> tuple[int, ...]:
    if not spec.signature:  # converters write 1 for what is open, old ones without saying so
        return (window,) if window and spec.shape == (1,) else spec.shape
    wanted: list[int | None] = [1] * len(spec.signature)
    if len(spec.signature) == 4:
        height, width = _sides(spec)
        wanted[1:] = [None] * 3
        if size:
            wanted[width], wanted[height] = size
    elif window:
        time = 0 if len(spec.signature) == 1 else 1
        wanted[time] = window
    shape = [side if side >= 0 else chosen for side, chosen in zip(spec.signature, wanted, strict=True)]
    # The file's own shape counts where it is one: converters write 1 for what is open.
    own = [side if side > 1 else None for side in spec.shape]
    known = tuple(chosen or mine for chosen, mine in zip(shape, own, strict=True))
    if None in known:
        raise ModelError(
            f"{model.path} takes pictures of any size ('{spec.name}' {list(spec.signature)}): say which, for example "
            "--input-size 320x320, or prepare: {size: [320, 320]}"
        )
    return known  # type: ignore[return-value]  # no None is left


def _sides(picture: TensorSpec) -> tuple[int, int]:
    """Which sides of the shape are height and width: the channels may come first."""
    return (2, 3) if picture.shape[1] == 3 and picture.shape[3] not in (1, 3) else (1, 2)


def find_state(model: ModelFile, said: Mapping[str, str] | None, found: dict[str, str]) -> dict[str, str]:
    """Which output each input is given the next time: as is said, or found by equal names, shapes and types."""
    if said is not None:
        return {tensor_name(model, source): tensor_name(model, given) for source, given in said.items()}
    if len(model.inputs) < 2:
        return {}
    state: dict[str, str] = {}
    for spec in model.inputs:
        stems = _stems(model, spec)
        same = [out for out in model.outputs if out.shape == spec.shape and out.dtype == spec.dtype]
        matching = [out.name for out in same if stems & _stems(model, out)]
        if len(matching) == 1 and matching[0] not in state.values():
            state[spec.name] = matching[0]
    if state:
        found["state"] = "names and shapes of inputs and outputs"
    return state


def tensor_name(model: ModelFile, name: str) -> str:
    """The name of a tensor that is called by it, or by its name in a signature."""
    return next((spec.name for spec in (*model.inputs, *model.outputs) if name in _names(model, spec)), name)


def without_what_is_fed(model: ModelFile, fed: Collection[str], state: Collection[str]) -> tuple[ModelFile, list[int]]:
    """The model as its kinds see it: with the picture alone, and without outputs that are only fed back.

    With the places that its outputs have in the model; all, where nothing else would be left.
    """
    places = [place for place, spec in enumerate(model.outputs) if spec.name not in state]
    places = places or list(range(len(model.outputs)))
    if not fed and len(places) == len(model.outputs):
        return model, places
    signatures = {
        key: Signature(one.inputs, {name: places.index(at) for name, at in one.outputs.items() if at in places})
        for key, one in model.signatures.items()
    }
    seen = replace(
        model,
        inputs=tuple(spec for spec in model.inputs if spec.name not in fed) or model.inputs,
        outputs=tuple(model.outputs[place] for place in places),
        output_operators=tuple(model.output_operators[place] for place in places),
        signatures=signatures,
    )
    return seen, places


def _names(model: ModelFile, spec: TensorSpec) -> set[str]:
    """What a tensor is called, in the graph and in signatures."""
    called = {spec.name}
    for one in model.signatures.values():
        called |= {name for name, place in one.inputs.items() if model.inputs[place] is spec}
        called |= {name for name, place in one.outputs.items() if model.outputs[place] is spec}
    return called


def _stems(model: ModelFile, spec: TensorSpec) -> set[str]:
    return {stem for name in _names(model, spec) if (stem := _stem(name))}


def _stem(name: str) -> str:
    return _SIDE.sub("", name.lower()).strip("_/:.")


def _place(name: str, names: Sequence[str], what: str) -> int:
    if name not in names:
        raise ModelError(f"the model has no {what} '{name}'; it has {', '.join(names)}")
    return names.index(name)


def _find_picture(inputs: Sequence[TensorSpec], taken: set[int]) -> int:
    pictures = []
    for place, spec in enumerate(inputs):
        if place in taken:
            continue
        try:
            image_layout(spec)
        except ModelError:
            if len(inputs) == 1:
                raise
            continue
        pictures.append(place)
    free = [place for place, _ in enumerate(inputs) if place not in taken]
    if len(pictures) != 1 or len(free) != 1:
        raise _too_many([inputs[place] for place in free], "pictures")
    return pictures[0]


def _find_samples(inputs: Sequence[TensorSpec], taken: set[int]) -> int:
    free = [place for place, _ in enumerate(inputs) if place not in taken]
    if len(free) != 1:
        raise _too_many([inputs[place] for place in free], "samples")
    return free[0]


def _too_many(free: Sequence[TensorSpec], what: str) -> ModelError:
    return ModelError(
        f"the model has the inputs {', '.join(spec.name for spec in free)}, and one is fed with {what}: give the "
        "others a value (prepare: {inputs: {NAME: [0.5]}}), or name the output that they are given the next time "
        "(prepare: {state: {INPUT: OUTPUT}})"
    )


def _constant(spec: TensorSpec, values: Sequence[float]) -> Array:
    count = int(np.prod(spec.shape))
    if len(values) not in (1, count):
        raise ModelError(f"input '{spec.name}' takes {count} numbers, {len(values)} are given")
    return np.broadcast_to(spec.stored(np.asarray(values, np.float64)), count).reshape(spec.shape).copy()
