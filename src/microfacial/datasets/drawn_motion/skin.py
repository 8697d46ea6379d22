"""How each action unit moves the skin: bumps on a standard face of 280 × 340 face units, with the eyes at row 118.

The manual of FACS describes in words the direction in which each muscle pulls the skin. The lists describe it by bumps.
Places and radii were adjusted on the tuning half of the subjects of published flow maps (docs/log.md), where the
strongest motion of whole classes lies. No annotated action unit was used.

Source: Ekman, Friesen & Hager, Facial Action Coding System, 2002.
"""

from collections.abc import Mapping
from types import MappingProxyType

from microfacial.datasets.synthetic.geometry import Bump, make_bump

BLINK, GAZE = 45, 61

# The bumps lie on the half of the face on the right of the picture, which is the person's left, or on the midline.
SKIN_MOTION: Mapping[int, tuple[Bump, ...]] = MappingProxyType(
    {
        1: (make_bump(24, 86, 24, 26, 0.0, -1.0), make_bump(20, 62, 30, 30, 0.0, -0.7)),
        2: (make_bump(72, 86, 28, 26, 0.1, -1.0), make_bump(70, 62, 34, 28, 0.05, -0.6)),
        4: (
            make_bump(24, 96, 26, 24, -0.6, 0.7),
            make_bump(50, 92, 40, 22, -0.25, 0.7),
            make_bump(22, 70, 36, 28, -0.4, 0.55),
            make_bump(54, 108, 26, 12, 0.0, 0.3),
        ),
        5: (make_bump(54, 110, 24, 11, 0.0, -0.8), make_bump(54, 98, 26, 10, 0.0, -0.35)),
        6: (
            make_bump(70, 150, 30, 24, -0.15, -0.7),
            make_bump(88, 126, 20, 22, -0.45, 0.1),
            make_bump(54, 129, 26, 10, 0.0, -0.5),
            make_bump(54, 106, 26, 12, 0.0, 0.35),
        ),
        7: (make_bump(54, 128, 26, 10, 0.0, -0.7), make_bump(54, 108, 26, 10, 0.0, 0.5)),
        9: (
            make_bump(20, 164, 20, 26, -0.1, -1.0),
            make_bump(20, 100, 20, 18, -0.35, 0.6),
            make_bump(40, 150, 24, 24, -0.1, -0.6),
            make_bump(26, 200, 24, 16, 0.0, -0.4),
        ),
        10: (make_bump(24, 206, 26, 18, 0.0, -1.0), make_bump(34, 180, 22, 20, 0.1, -0.7)),
        12: (
            make_bump(50, 216, 26, 22, 0.4, -0.8),
            make_bump(60, 190, 30, 26, 0.5, -0.7),
            make_bump(80, 160, 32, 30, 1.1, 0.1),
            make_bump(54, 130, 26, 12, 0.0, -0.2),
        ),
        14: (make_bump(52, 222, 22, 20, 0.8, -0.1), make_bump(76, 216, 24, 24, -0.4, 0.0)),
        15: (make_bump(50, 228, 24, 22, 0.1, 1.0), make_bump(44, 252, 26, 20, 0.0, 0.6)),
        16: (make_bump(0, 246, 34, 16, 0.0, 0.9),),
        17: (make_bump(0, 276, 36, 26, 0.0, -1.0), make_bump(0, 240, 32, 14, 0.0, -0.6)),
        20: (make_bump(54, 226, 28, 22, 1.0, 0.25), make_bump(70, 236, 28, 24, 0.5, 0.15)),
        23: (
            make_bump(30, 226, 26, 14, -0.5, 0.0),
            make_bump(0, 214, 30, 10, 0.0, 0.3),
            make_bump(0, 238, 30, 12, 0.0, -0.4),
        ),
        24: (make_bump(0, 214, 34, 12, 0.0, 0.6), make_bump(0, 238, 34, 14, 0.0, -0.8)),
        25: (make_bump(0, 240, 32, 16, 0.0, 0.7), make_bump(0, 212, 30, 10, 0.0, -0.25)),
        26: (make_bump(0, 244, 40, 24, 0.0, 0.8), make_bump(0, 284, 48, 34, 0.0, 1.0)),
        38: (make_bump(16, 186, 14, 12, 0.5, 0.0),),
        BLINK: (make_bump(54, 109, 27, 11, 0.0, 1.0), make_bump(54, 127, 26, 9, 0.0, -0.2)),
        GAZE: (make_bump(54, 118, 12, 9, 0.7, 0.0),),
    }
)
"""Motion of each action unit at strength 1. GAZE turns both eyes to the right of the picture: it is not mirrored."""

UNITS: tuple[int, ...] = tuple(SKIN_MOTION)
"""Numbers of the action units that can be drawn, in the order of tensors."""
