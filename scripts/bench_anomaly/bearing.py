"""The vibration of a machine with a rolling bearing, whole or failing.

Source: the model of McFadden & Smith, "Model for the vibration produced by a single point defect in a rolling element
bearing", Journal of Sound and Vibration 96, 1984: a defect of the outer ring is hit by each ball, and each hit rings a
resonance of the housing; Randall & Antoni, "Rolling element bearing diagnostics: a tutorial", 2011: the hits come with
1 to 2 % of slip.
"""

import numpy as np

from edge_infer.types import Array

RATE_HZ = 12800
BPFO = 3.585  # hits a turn. Source: the drive-end bearing SKF 6205-2RS of the Case Western Reserve data
SLIP = 0.01  # of the time between hits
RESONANCE_HZ, DECAY_HZ = 3200.0, 800.0
HARMONICS = (0.5, 0.25, 0.12, 0.06)  # of the shaft
NOISE = 0.1
SPEED_WANDER, LOAD_WANDER = 0.02, 0.1  # standard deviation from second to second


def vibration(seconds: int, rng: np.random.Generator, speed_hz: float = 25.0, severity: float = 0.0) -> Array:
    """`(seconds * 12800, 1) float32`; `severity`: height of a hit, where the shaft has 0.5 and the noise 0.1."""
    count = seconds * RATE_HZ
    times, knots = np.arange(count) / RATE_HZ, np.arange(seconds + 1)
    speed = 1 + SPEED_WANDER * np.interp(times, knots, rng.standard_normal(len(knots)))
    load = 1 + LOAD_WANDER * np.interp(times, knots, rng.standard_normal(len(knots)))
    turns = np.cumsum(speed_hz * speed) / RATE_HZ
    shaft = sum(
        height * np.sin(2 * np.pi * order * turns + 1.3 * order**2) for order, height in enumerate(HARMONICS, 1)
    )
    whole = load * shaft + NOISE * rng.standard_normal(count)
    if severity:
        whole += _hits(turns, speed_hz, severity, rng)
    signal: Array = whole.astype(np.float32)[:, np.newaxis]
    return signal


def _hits(turns: Array, speed_hz: float, severity: float, rng: np.random.Generator) -> Array:
    places = np.flatnonzero(np.diff(np.floor(turns * BPFO)) > 0)
    slip = rng.normal(0, SLIP * RATE_HZ / (BPFO * speed_hz), len(places))
    impulses = np.zeros(len(turns))
    np.add.at(
        impulses,
        np.clip(places + np.rint(slip).astype(int), 0, len(turns) - 1),
        severity * (1 + 0.2 * rng.standard_normal(len(places))),
    )
    times = np.arange(RATE_HZ // 100) / RATE_HZ
    ringing = np.exp(-DECAY_HZ * times) * np.sin(2 * np.pi * RESONANCE_HZ * times)
    return np.convolve(impulses, ringing)[: len(turns)]
