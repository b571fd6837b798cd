"""MODEL_CARD.md: what is known of a model, and what only its author knows."""

from edge_infer.bundle.manifest import Manifest
from edge_infer.bundle.model_file import ModelFile
from edge_infer.kinds.kind import Recipe
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
        "inputs": "; ".join(map(_tensor, file.inputs)),
        "outputs": "; ".join(map(_tensor, file.outputs)),
        "classes": str(len(recipe.labels)) if recipe.labels else "",
        "size": f"{file.size} bytes",
    }
    table = "".join(f"| {name} | {' '.join(value.split())} |\n" for name, value in rows.items() if value)
    said = f"{metadata.description.strip()}\n\n" if metadata and metadata.description.strip() else ""
    sections = "".join(f"\n## {title}\n\nTo be filled in: {question}\n" for title, question in TO_FILL)
    return f"# {manifest.name} {manifest.version}\n\n{said}| | |\n| --- | --- |\n{table}{sections}"


def _tensor(spec: TensorSpec) -> str:
    return f"`{list(spec.shape)} {spec.dtype}` {spec.name}"
