"""The plane of the face: its size, smooth shifts of skin, and the pose of the head. Lengths are in face units."""

from dataclasses import dataclass, replace

import numpy as np

from microfacial.records import FloatArray

FACE_WIDTH, FACE_HEIGHT = 280, 340
MIDLINE, EYE_LINE = 140.0, 118.0
_PIVOT_Y = 170.0  # the head turns around the point (MIDLINE, _PIVOT_Y)


@dataclass(frozen=True, kw_only=True)
class Bump:
    """A smooth local shift of skin. The shift falls to a quarter at one radius from the centre.

    Attributes:
        x: Centre, in face units to the right.
        y: Centre, in face units down.
        rx: Horizontal radius, in face units.
        ry: Vertical radius, in face units.
        dx: Shift at the centre, in face units to the right.
        dy: Shift at the centre, in face units down.
    """

    x: float
    y: float
    rx: float
    ry: float
    dx: float
    dy: float

    def mirrored(self) -> "Bump":
        """Return the mirror image of the bump, on the other half of the face."""
        return replace(self, x=2 * MIDLINE - self.x, dx=-self.dx)

    def scaled(self, gain: float) -> "Bump":
        """Return the same bump with its shift multiplied by a gain.

        Args:
            gain: Factor for `dx` and `dy`.
        """
        return replace(self, dx=gain * self.dx, dy=gain * self.dy)

    def rotated(self, half_tangent: float) -> "Bump":
        """Return the same bump with its shift `(dx, dy)` turned clockwise on the screen. Its centre and radii stay.

        Args:
            half_tangent: Tangent of half the angle of the turn.
        """
        square = half_tangent * half_tangent
        cosine, sine = (1 - square) / (1 + square), 2 * half_tangent / (1 + square)
        return replace(self, dx=cosine * self.dx - sine * self.dy, dy=sine * self.dx + cosine * self.dy)

    def moved(self, dx: float, dy: float) -> "Bump":
        """Return the same shift of skin at another centre.

        Args:
            dx: Distance between the centres, in face units to the right.
            dy: Distance between the centres, in face units down.
        """
        return replace(self, x=self.x + dx, y=self.y + dy)


def make_bump(side: float, y: float, rx: float, ry: float, dx: float, dy: float) -> Bump:
    """Return a bump at a distance from the midline of the face.

    Args:
        side: Distance of the centre from the midline, in face units to the right.
        y: Centre, in face units down.
        rx: Horizontal radius, in face units.
        ry: Vertical radius, in face units.
        dx: Shift at the centre, in face units to the right.
        dy: Shift at the centre, in face units down.
    """
    return Bump(x=MIDLINE + side, y=y, rx=rx, ry=ry, dx=dx, dy=dy)


def displace(points: FloatArray, bumps: tuple[Bump, ...]) -> FloatArray:
    """Return the shift of points on the face by the sum of all bumps.

    Args:
        points: x and y, `(2, ...)` float64, in face units.
        bumps: Shifts of skin.

    Returns:
        Shift to the right and down, `(2, ...)` float64, in face units.
    """
    total = np.zeros_like(points)
    for bump in bumps:
        across, down = (points[0] - bump.x) / bump.rx, (points[1] - bump.y) / bump.ry
        spread = 1.0 + (across * across + down * down)
        weight = 1.0 / (spread * spread)
        total[0] += bump.dx * weight
        total[1] += bump.dy * weight
    return total


def frame_to_head(points: FloatArray, pose: tuple[float, float, float]) -> FloatArray:
    """Map points of the frame to points of the resting head.

    Args:
        points: x and y, `(2, ...)` float64, in face units.
        pose: Shift of the head to the right and down in face units, and the tangent of half its clockwise turn.

    Returns:
        x and y, `(2, ...)` float64, in face units.
    """
    dx, dy, half_tangent = pose
    square = half_tangent * half_tangent
    cosine, sine = (1.0 - square) / (1.0 + square), 2.0 * half_tangent / (1.0 + square)
    x, y = points[0] - (MIDLINE + dx), points[1] - (_PIVOT_Y + dy)
    return np.stack([cosine * x + sine * y + MIDLINE, cosine * y - sine * x + _PIVOT_Y])


def head_to_frame(points: FloatArray, pose: tuple[float, float, float]) -> FloatArray:
    """Map points of the resting head to points of the frame. This is the inverse of `frame_to_head`.

    Args:
        points: x and y, `(2, ...)` float64, in face units.
        pose: Shift of the head to the right and down in face units, and the tangent of half its clockwise turn.

    Returns:
        x and y, `(2, ...)` float64, in face units.
    """
    dx, dy, half_tangent = pose
    centred = frame_to_head(points, (0.0, 0.0, -half_tangent))
    return np.stack([centred[0] + dx, centred[1] + dy])
