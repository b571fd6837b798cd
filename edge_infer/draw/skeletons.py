"""Which points of a body or a hand are joined, by their names."""

from collections.abc import Sequence
from typing import TypeAlias

Bones: TypeAlias = tuple[tuple[str, str], ...]


def _both_sides(*bones: tuple[str, str]) -> Bones:
    return tuple((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in bones)


def _chains(*chains: str) -> Bones:
    return tuple(pair for chain in chains for pair in zip(chain.split()[:-1], chain.split()[1:], strict=True))


# Source: the skeleton of COCO's person_keypoints, without the ears joined to the shoulders.
_TRUNK: Bones = (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"))
_LIMBS = _both_sides(("shoulder", "elbow"), ("elbow", "wrist"), ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"))
BODY: Bones = (("nose", "left_eye"), ("nose", "right_eye"), *_both_sides(("eye", "ear")), *_TRUNK, *_LIMBS)
# Source: MediaPipe's POSE_CONNECTIONS: these more.
_SPREAD = (("wrist", "pinky"), ("wrist", "index"), ("wrist", "thumb"), ("pinky", "index"))
_FEET = (("ankle", "heel"), ("ankle", "foot_index"), ("heel", "foot_index"))
BODY_WITH_HANDS_AND_FEET: Bones = (*BODY, ("mouth_left", "mouth_right"), *_both_sides(*_SPREAD, *_FEET))
# Source: MediaPipe's HAND_CONNECTIONS.
HAND: Bones = _chains(
    "wrist thumb_cmc thumb_mcp thumb_ip thumb_tip",
    "wrist index_finger_mcp index_finger_pip index_finger_dip index_finger_tip",
    "index_finger_mcp middle_finger_mcp middle_finger_pip middle_finger_dip middle_finger_tip",
    "middle_finger_mcp ring_finger_mcp ring_finger_pip ring_finger_dip ring_finger_tip",
    "ring_finger_mcp pinky_mcp pinky_pip pinky_dip pinky_tip",
    "wrist pinky_mcp",
)


def bones_of(names: Sequence[str]) -> list[tuple[int, int]]:
    """The places of points that are joined; none unless all points of a known skeleton are there."""
    places = {name.strip().lower().replace(" ", "_"): place for place, name in enumerate(names)}
    for bones in (BODY_WITH_HANDS_AND_FEET, BODY, HAND):
        if all(end in places for bone in bones for end in bone):
            return [(places[a], places[b]) for a, b in bones]
    return []
