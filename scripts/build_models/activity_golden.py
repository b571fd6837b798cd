"""Movements that nobody made: what the golden test of models/activity shows it, since the data are not ours to ship."""

import numpy as np

from build_models.basic_motions import CHANNELS, RATE_HZ, STEPS
from edge_infer.types import Array

# Steps a second, and by channel the mean and the strength (root mean square). Source: means over the training set.
RESTING = (1.0, (-0.1, 0.1, 0.0, 0.0, 0.0, 0.0), (0.3, 0.9, 0.4, 0.4, 0.1, 0.5))
RUNNING = (1.2, (4.8, -4.5, -2.3, 0.0, 0.0, 0.0), (11.1, 10.5, 3.4, 1.9, 1.7, 5.2))
WALKING = (0.8, (0.8, 0.1, -0.3, 0.1, 0.0, 0.0), (1.4, 3.2, 0.9, 0.7, 0.4, 1.4))
STRIKING = (0.8, (4.8, -0.9, -1.6, 0.0, -0.1, -0.2), (7.4, 7.1, 5.8, 3.7, 3.2, 4.5))
NOISY = 0.5  # share of the strength that is no rhythm
SEED = 1  # of which the model takes each for another class


def movements() -> Array:
    """`(4, STEPS, channels) float32`: rhythms with noise; the last without a rhythm. Always the same."""
    random = np.random.default_rng(SEED)
    rhythms = [_movement(*each, NOISY, random) for each in (RESTING, RUNNING, WALKING)]
    return np.stack([*rhythms, _movement(*STRIKING, 1.0, random)])


def _movement(
    hz: float, mean: tuple[float, ...], strength: tuple[float, ...], noisy: float, random: np.random.Generator
) -> Array:
    turns = np.arange(STEPS)[:, None] * hz / RATE_HZ + random.uniform(0, 1, len(CHANNELS))
    rhythm = np.sqrt(2) * np.sin(2 * np.pi * turns) * np.sqrt(1 - noisy**2)
    noise = random.standard_normal((STEPS, len(CHANNELS))) * noisy
    return ((rhythm + noise) * np.array(strength) + np.array(mean)).astype(np.float32)
