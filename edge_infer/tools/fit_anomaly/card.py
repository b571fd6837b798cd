"""MODEL_CARD.md of what was learned."""

from edge_infer.bundle.manifest import Manifest
from edge_infer.tools.fit_anomaly.report import Report


def card(manifest: Manifest, report: Report, size: int) -> str:
    """The page; `size`: bytes of the model file."""
    prepare = manifest.preprocess
    sees = "embeddings of another model" if manifest.decode.statistics else "grey levels of 16x16 blocks"
    if prepare.features:
        channels = ", ".join(prepare.channels or ("the mean of all channels",))
        rate = f" at {prepare.rate_hz:g} Hz" if prepare.rate_hz else ""
        sees = f"energies in bands of frequency of {channels}, in windows of {prepare.window} samples{rate}"
    lines = "\n".join(f"- {line}" for line in (*report.lines, *report.doubts))
    return f"""# {manifest.name} {manifest.version}

How unusual {report.source} is, compared with what was normal while it was recorded. It looks at {sees}.
Made by `edge-infer fit anomaly`; the model file has {size} bytes.

## How good it is

{lines}

Nobody has shown it a fault: which ones it notices is not known.

## What it is for

This one machine, room or view, with this sensor where it is now. After a repair, a move of the sensor or a new season
the same command learns anew.

golden.npz holds frames of the recording: look at them before you give the bundle to somebody else.
"""
