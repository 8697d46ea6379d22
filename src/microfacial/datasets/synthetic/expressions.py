"""How skin moves in each action unit, and which action units show an emotion."""

from collections.abc import Iterable, Iterator

import numpy as np

from microfacial.datasets.synthetic.geometry import MIDLINE, Bump, displace, make_bump

# Motion of each action unit at amplitude 1 on the standard face. The bumps lie on the half of the face on the right of
# the picture, which is the person's LEFT. A bump on the midline moves both halves.
ACTION_UNITS: dict[int, tuple[Bump, ...]] = {
    1: (make_bump(27, 92, 22, 20, 0.0, -1.0),),
    2: (make_bump(76, 88, 26, 22, 0.15, -1.0),),
    4: (make_bump(25, 95, 24, 22, -0.6, 0.8),),
    5: (make_bump(54, 109, 24, 10, 0.0, -0.8),),
    6: (make_bump(62, 158, 28, 22, 0.0, -0.8), make_bump(54, 130, 24, 10, 0.0, -0.6)),
    7: (make_bump(54, 128, 24, 10, 0.0, -0.8), make_bump(54, 109, 24, 9, 0.0, 0.5)),
    9: (make_bump(22, 166, 18, 24, 0.0, -1.0), make_bump(20, 98, 18, 16, -0.3, 0.5)),
    10: (make_bump(25, 211, 26, 16, 0.0, -1.0), make_bump(28, 182, 16, 16, 0.2, -0.6)),
    12: (make_bump(50, 220, 26, 22, 0.7, -0.7), make_bump(66, 182, 26, 22, 0.2, -0.5)),
    14: (make_bump(50, 221, 20, 18, 1.0, 0.1),),
    15: (make_bump(49, 224, 22, 20, 0.1, 1.0),),
    17: (make_bump(0, 278, 34, 26, 0.0, -1.0), make_bump(0, 239, 30, 14, 0.0, -0.6)),
    24: (make_bump(0, 214, 34, 12, 0.0, 0.6), make_bump(0, 238, 34, 14, 0.0, -0.8)),
    26: (make_bump(0, 242, 38, 22, 0.0, 0.8), make_bump(0, 288, 46, 32, 0.0, 1.0)),
    45: (make_bump(54, 109, 26, 9, 0.0, 1.0),),
}

# The mixes of action units by which a person may show an emotion. The first mix is the one in textbooks.
EXPRESSIONS: dict[str, tuple[dict[int, float], ...]] = {
    "happiness": ({12: 1.0, 6: 0.6}, {12: 1.0}, {6: 0.8, 14: 0.8}),
    "disgust": ({9: 1.0, 4: 0.4}, {4: 1.0, 7: 0.8}, {10: 1.0}),
    "surprise": ({1: 1.0, 2: 1.0}, {1: 0.6, 2: 0.6, 26: 0.7}, {2: 1.0, 5: 0.8}),
    "repression": ({15: 0.9, 17: 0.8}, {14: 1.0}, {7: 0.7, 17: 0.8}),
    "others": ({4: 0.8, 14: 0.5}, {7: 0.9, 17: 0.5}, {24: 1.0}),
}


def is_central(unit: int) -> bool:
    """Return whether an action unit has no left and right.

    Args:
        unit: Number of the action unit, a key of `ACTION_UNITS`.
    """
    return all(bump.x == MIDLINE for bump in ACTION_UNITS[unit])


def place_on_face(
    half: Iterable[Bump], warp: tuple[Bump, ...], left_gain: float = 1.0, right_gain: float = 1.0
) -> Iterator[Bump]:
    """Yield bumps for both halves of a person's face, at the landmarks of that person.

    Args:
        half: Bumps of the standard face, on the half on the right of the picture or on the midline.
        warp: Shifts that turn the standard face into the face of the person.
        left_gain: Gain for the person's left half, which is on the right of the picture.
        right_gain: Gain for the person's right half.
    """
    for bump in half:
        sides = (bump,) if bump.x == MIDLINE else (bump.scaled(left_gain), bump.mirrored().scaled(right_gain))
        for side in sides:
            dx, dy = displace(np.array([side.x, side.y]), warp)
            yield side.moved(float(dx), float(dy))
