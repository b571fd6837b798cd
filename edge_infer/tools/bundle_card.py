"""MODEL_CARD.md: what is known of a model, and what only its author knows."""

from edge_infer.bundle.manifest import Manifest
from edge_infer.bundle.model_file import ModelFile
from edge_infer.kinds.kind import Recipe
from edge_infer.prepare.image import ImageOptions
from edge_infer.prepare.samples import SampleOptions
from edge_infer.types import TensorSpec

# Source: Mitchell et al., "Model Cards for Model Reporting", 2019: the sections that a file cannot tell.
TO_FILL = (
    ("What it is for", "What should it be used for, and what not?"),
    ("How it was made", "Trained on what, by whom, quantised how?"),
    ("How good it is", "Measured on what, with what result? On whom, and in which light, does it fail?"),
)


def model_card(manifest: Manifest, file: ModelFile, recipe: Recipe) -> str:
    """The page, with what is to be filled in marked as such."""
    metadata, source = recipe.clues.metadata, manifest.source
    author = metadata.author if metadata else ""
    rows = {
        "task": f"{manifest.task} (decoder {manifest.decode.kind})",
        "made from": f"`{source.file}`, sha256 {source.sha256}" if source and source.file else "",
        "made by": author,
        "licence": manifest.license,
        "samples": _samples(recipe.prepare),
        "inputs": "; ".join(map(_tensor, file.inputs)),
        "outputs": "; ".join(map(_tensor, file.outputs)),
        "classes": str(len(recipe.labels)) if recipe.labels else "",
        "size": f"{file.size} bytes",
    }
    table = "".join(f"| {name} | {' '.join(value.split())} |\n" for name, value in rows.items() if value)
    said = f"{metadata.description.strip()}\n\n" if metadata and metadata.description.strip() else ""
    sections = "".join(f"\n## {title}\n\nTo be filled in: {question}\n" for title, question in TO_FILL)
    return f"# {manifest.name} {manifest.version}\n\n{said}| | |\n| --- | --- |\n{table}{sections}"


def _samples(options: ImageOptions | SampleOptions) -> str:
    """What of sound or of readings it was trained with; "" for pictures."""
    if isinstance(options, ImageOptions):
        return ""
    rate = f" at {options.rate_hz:g} Hz" if options.rate_hz else ""
    return ("sound" if options.sound else f"readings of {', '.join(options.channels) or 'sensors'}") + rate


def _tensor(spec: TensorSpec) -> str:
    return f"`{list(spec.shape)} {spec.dtype}` {spec.name}"
