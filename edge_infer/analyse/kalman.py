"""Where boxes will be in the next frame: a Kalman filter for each, all of them at once.

Each of centre x, centre y, width and height has a value and a speed of its own. A speed is not for ever: it fades (an
integrated Ornstein-Uhlenbeck process), and who is not seen for some time is expected to stand, so that what is hidden
does not run away. Frames may come at any time.
"""

import numpy as np

from edge_infer.types import Array

# All of these were found with scripts/bench-tracking, on scenes that are not those of docs/tracking.md.
SPEED = np.array([0.8, 0.8, 0.2, 0.2])  # usual speed of x, y, width, height: longer sides of the box per second
LASTS_S = np.array([10.0, 10.0, 0.8, 0.8])  # seconds that a speed lasts
NOISE = np.array([0.09, 0.09, 0.2, 0.2])  # of a detector's boxes, in widths (x, width) and heights (y, height)
LONGEST_S = 2.0  # without being seen, that an object is expected to go on
LEAST_PX = 1.0  # a box is at least so wide and high

Boxes = np.dtype(
    [
        ("value", float, 4),  # centre x, centre y, width, height: px
        ("speed", float, 4),  # px/s
        ("value_variance", float, 4),
        ("covariance", float, 4),  # of value and speed
        ("speed_variance", float, 4),
        ("unseen_s", float),
    ]
)


def measured(boxes: Array) -> Array:
    """Centre x, centre y, width, height `(n, 4)` of xyxy boxes."""
    low, high = boxes[:, :2].astype(float), boxes[:, 2:].astype(float)
    return np.concatenate([(low + high) / 2, np.maximum(high - low, LEAST_PX)], axis=1)


def begin(seen: Array) -> Array:
    """State of boxes that are seen for the first time, as `measured` gives them."""
    state = np.zeros(len(seen), Boxes)
    state["value"] = seen
    state["value_variance"] = _noise(seen)
    state["speed_variance"] = (SPEED * _side(seen)) ** 2
    return state


def predict(state: Array, passed_s: float) -> None:
    """Lets time pass."""
    unseen = state["unseen_s"].copy()
    state["unseen_s"] += passed_s
    moved_s = np.minimum(state["unseen_s"], LONGEST_S) - np.minimum(unseen, LONGEST_S)
    spans = moved_s[:, None] / LASTS_S
    stays = np.exp(-spans)  # share of a speed that is left
    way = LASTS_S * (1 - stays)  # seconds that a speed of now will have acted
    drift = (SPEED * _side(state["value"])) ** 2
    value, speed = state["value_variance"], state["speed_variance"]
    value += 2 * way * state["covariance"] + way**2 * speed
    value += drift * LASTS_S**2 * np.maximum(2 * spans - 3 + 4 * stays - stays**2, 0.0)
    state["covariance"] = stays * (state["covariance"] + way * speed) + drift * LASTS_S * (1 - stays) ** 2
    state["speed_variance"] = stays**2 * speed + drift * (1 - stays**2)
    state["value"] += way * state["speed"]
    state["value"][:, 2:] = np.maximum(state["value"][:, 2:], LEAST_PX)
    state["speed"] *= stays


def surprise(state: Array, seen: Array) -> tuple[Array, Array]:
    """How far each of `seen (m, 4)` is from where each of n boxes is expected: twice `(n, m)`.

    The first is the squared distance in standard deviations; the second adds how uncertain the expectation is, so that
    an object of which little is known does not take what fits another well: -2 log of the likelihood.
    """
    noise = _noise(state["value"])
    expected = state["value_variance"] + noise
    off = seen[None] - state["value"][:, None]
    distance = (off**2 / expected[:, None]).sum(axis=2)
    return distance, distance + np.log(expected / noise).sum(axis=1)[:, None]


def update(state: Array, rows: Array, seen: Array) -> None:
    """What was `seen (k, 4)` of the boxes in `rows (k,)`."""
    known = state[rows]
    expected = known["value_variance"] + _noise(known["value"])
    off = seen - known["value"]
    gain, speed_gain = known["value_variance"] / expected, known["covariance"] / expected
    known["value"] += gain * off
    known["value"][:, 2:] = np.maximum(known["value"][:, 2:], LEAST_PX)
    known["unseen_s"] = 0.0
    known["speed"] += speed_gain * off
    known["speed_variance"] -= speed_gain * known["covariance"]
    known["covariance"] *= 1 - gain
    known["value_variance"] *= 1 - gain
    state[rows] = known


def overlap(state: Array, seen: Array) -> Array:
    """IoU of each of n boxes, where it is expected, with each of `seen (m, 4)`: `(n, m)`."""
    one, other = state["value"][:, None], seen[None]
    low = np.maximum(one[..., :2] - one[..., 2:] / 2, other[..., :2] - other[..., 2:] / 2)
    high = np.minimum(one[..., :2] + one[..., 2:] / 2, other[..., :2] + other[..., 2:] / 2)
    common = np.maximum(high - low, 0.0).prod(axis=2)
    shares: Array = common / (one[..., 2:].prod(axis=2) + other[..., 2:].prod(axis=2) - common)
    return shares


def _noise(value: Array) -> Array:
    """Usual variance of what a detector says of boxes."""
    variance: Array = (NOISE * value[:, [2, 3, 2, 3]]) ** 2
    return variance


def _side(value: Array) -> Array:
    """The longer side of each box `(n, 1)`: how near an object is, and so how fast it moves over the picture."""
    side: Array = value[:, 2:].max(axis=1, keepdims=True)
    return side
