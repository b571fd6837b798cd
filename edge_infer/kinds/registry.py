"""All kinds of models."""

from edge_infer.errors import ModelError
from edge_infer.kinds.blazeface import BLAZEFACE
from edge_infer.kinds.classify import CLASSIFY
from edge_infer.kinds.kind import Clues, Kind
from edge_infer.kinds.ssd import SSD
from edge_infer.kinds.tensors import TENSORS

# In the order in which they are tried: the surest sign first.
KINDS = (SSD, BLAZEFACE, CLASSIFY, TENSORS)


def kind_of(name: str) -> Kind:
    """The kind of this name.

    Raises:
        ModelError: there is none; the message lists all.
    """
    for kind in KINDS:
        if kind.name == name:
            return kind
    known = ", ".join(kind.name for kind in KINDS)
    raise ModelError(f"there is no kind of model '{name}'; there are {known} (`--decoder`, or `decode: {{kind: ...}}`)")


def recognise(clues: Clues) -> tuple[Kind, str]:
    """The kind that the files tell, and by what.

    Raises:
        ModelError: what the model does cannot be known; the message lists the choices.
    """
    for kind in KINDS:
        if reason := kind.recognise(clues):
            return kind, reason
    listed = ", ".join(f"{spec.name or 'unnamed'} {list(spec.shape)} {spec.dtype}" for spec in clues.outputs)
    choices = "\n".join(f"  {kind.name:<12} {kind.summary}" for kind in KINDS)
    raise ModelError(
        f"what {clues.model.path} does cannot be known from the file (its outputs: {listed}); say which decoder, "
        f"with --decoder, or decode: {{kind: ...}} in a configuration:\n{choices}"
    )
