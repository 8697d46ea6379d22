from dataclasses import replace

import pytest

from fakes import make_clip
from microfacial.evaluation.apex_shift import shift_apex


@pytest.mark.parametrize(
    ("changes", "frames", "expected"),
    [
        ({}, 2, 7),
        ({}, -2, 3),
        ({}, 0, 5),
        ({}, 8, 8),  # the last frame before the offset
        ({}, -8, 2),  # the first frame after the onset
        ({"numbers": (1, 2, 5, 6, 9)}, 2, 6),  # 7 is missing, and frames beyond it are not used
        ({"numbers": (1, 2, 5, 6, 9)}, -1, 5),
        ({"apex": 9}, 1, 9),  # an apex on the offset cannot move later, and never moves the other way
        ({"apex": 9}, -1, 8),
        ({"apex": 9}, 0, 9),
    ],
)
def test_an_apex_moves_as_far_as_possible(changes: dict[str, object], frames: int, expected: int) -> None:
    clip = make_clip(**changes)
    assert shift_apex(clip, frames) == replace(clip, apex=expected)
