import pytest

from edge_infer.decode.landmarks_names import BODY_17, BODY_33
from edge_infer.draw.skeletons import bones_of

HAND = [
    "WRIST",
    *[f"THUMB_{part}" for part in ("CMC", "MCP", "IP", "TIP")],
    *[
        f"{n}_{p}"
        for n in ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
        for p in ("MCP", "PIP", "DIP", "TIP")
    ],
]


@pytest.mark.parametrize(
    ("names", "points", "bones"), [(BODY_17, 17, 16), (BODY_33, 29, 31), (HAND, 21, 21)], ids=["body", "more", "hand"]
)
def test_a_known_skeleton_joins_its_points(names: list[str], points: int, bones: int) -> None:
    joined = bones_of(names)
    assert len(set(joined)) == len(joined) == bones
    assert len({end for bone in joined for end in bone}) == points


def test_bones_follow_the_names_wherever_they_stand() -> None:
    there = {frozenset((BODY_17[a], BODY_17[b])) for a, b in bones_of(BODY_17)}
    turned = tuple(reversed(BODY_17))
    assert {frozenset((turned[a], turned[b])) for a, b in bones_of(turned)} == there


@pytest.mark.parametrize(
    "names", [(), ("right_eye", "left_eye", "nose_tip", "mouth_center"), BODY_17[:-1], tuple(map(str, range(17)))]
)
def test_other_points_are_not_joined(names: tuple[str, ...]) -> None:
    assert bones_of(names) == []
