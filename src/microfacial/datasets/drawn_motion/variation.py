"""How much drawn motion varies."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Variation:
    """Spread of everything that differs between people, clips and cameras.

    A spread of a logarithm is the standard deviation of the natural logarithm of a factor. Strengths are relative: a
    unit of typical strength moves the centre of its strongest bump by one face unit.

    The values were chosen on the tuning half of the subjects of published flow maps (docs/log.md), never on the others.

    Attributes:
        strength: spread of the logarithm of a unit's strength.
        asymmetry: spread of the logarithm of the ratio of left and right.
        one_sided: share of units that move one side only.
        stray_units: mean number of weak further units, which are not among the units of the emotion.
        centre: standard deviation of the centre of each bump, in face units.
        radius: spread of the logarithm of the radii of each bump.
        direction_rad: standard deviation of the direction of each bump.
        place: standard deviation of the place of the face, in sides of the square.
        scale: spread of the logarithm of the width and of the height of the face.
        blinks: share of clips in which the lids are closing or opening in one key frame.
        gazes: share of clips in which the eyes turn.
        head: mean and spread of the logarithm of the motion that remains of the head.
        noise: mean and spread of the logarithm of the errors of the flow.
        pixel_noise: errors of single pixels, relative to all errors.
        texture: spread of the logarithm of the errors over the face.
        fading_edges: share of clips whose flow fades towards an edge of the frame.
    """

    strength: float = 0.4
    asymmetry: float = 0.28
    one_sided: float = 0.1
    stray_units: float = 2.5
    centre: float = 6.0
    radius: float = 0.2
    direction_rad: float = 0.3
    place: float = 0.045
    scale: float = 0.09
    blinks: float = 0.35
    gazes: float = 0.2
    head: tuple[float, float] = (-3.0, 0.9)
    noise: tuple[float, float] = (-2.4, 0.9)
    pixel_noise: float = 0.08
    texture: float = 0.4
    fading_edges: float = 0.1


TYPICAL_VARIATION = Variation()
"""The variation with which the motion prior is trained."""
