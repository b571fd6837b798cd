"""What features are like while all is normal: where they lie, how far they spread, and how they move together."""

from dataclasses import dataclass

import numpy as np

from edge_infer.decode.anomaly import Normal
from edge_infer.types import Array

# Variance, in units of each feature's own spread, that every direction is granted: without it, directions that never
# moved in a short recording decide alone. docs/anomaly.md has what 0.01 and 0.3 find.
RIDGE = 0.1
MOST_COMPONENTS = 64  # of an embedding: 1280 numbers then need 330 kB and 0.1 ms


@dataclass(frozen=True, eq=False)
class Learned:
    """Mean and scale `(d,)` of features, and variances `(k,)` along directions `(k, d)` of length 1, largest first."""

    mean: Array
    scale: Array
    variances: Array
    directions: Array

    def away(self, features: Array) -> Array:
        """`(n, d)`: how far features lie from what is normal, in units of their spread."""
        return (features - self.mean) / self.scale

    def whitening(self) -> Array:
        """`(d, d)`: the mean square of `whitening @ away` is the score."""
        count = len(self.mean)
        whole, _ = np.linalg.qr(np.concatenate([self.directions.T, np.eye(count)], axis=1))
        directions: Array = whole[:, :count].T  # those that never moved, too
        spread = np.full(count, RIDGE)
        spread[: len(self.variances)] += self.variances
        whitening: Array = directions / np.sqrt(spread)[:, None]
        return whitening

    def compact(self) -> Normal:
        """The same with the strongest directions only, for a file."""
        variances, directions = self.variances[:MOST_COMPONENTS], self.directions[:MOST_COMPONENTS]
        components = directions * np.sqrt(variances / (variances + RIDGE))[:, None]
        mean, scale, components = (part.astype(np.float32) for part in (self.mean, self.scale, components))
        return Normal(mean, scale, components, RIDGE)


def learn(features: Array, scale: Array) -> Learned:
    """What `(n, d)` features tell; `scale` is the spread of each, above 0.

    The score is a Mahalanobis distance whose covariance is shrunk. An autoencoder (the residual of principal
    components) finds as much with the right bottleneck and far less with a wrong one, and which one is right only
    faults would tell, which nobody has yet (docs/anomaly.md has the table).
    """
    mean = features.mean(axis=0)
    away = (features - mean) / scale
    _, sizes, directions = np.linalg.svd(away, full_matrices=False)
    return Learned(mean, scale, sizes**2 / len(features), directions)
