"""The resting face of each person, made from the photograph."""

import numpy as np
from skimage import data

from microfacial.datasets.synthetic.camera import CROP, View
from microfacial.datasets.synthetic.geometry import EYE_LINE, FACE_HEIGHT, FACE_WIDTH, MIDLINE, displace, make_bump
from microfacial.datasets.synthetic.people import DemoPlan, Person
from microfacial.datasets.synthetic.randomness import make_generator
from microfacial.records import FloatArray


def build_face(plan: DemoPlan, person: Person, view: View = CROP) -> FloatArray:
    """Build the resting face of a person at twice the resolution of a frame, with the margin of the view around it.

    Args:
        plan: Plan of the data set.
        person: Person to build.
        view: View of the camera.

    Returns:
        Picture `(H', W', 3)` float64, BGR, 0 to 255.
    """
    step = 2 * plan.unit
    rows, columns = (round(step * (length + 2 * view.margin)) for length in (FACE_HEIGHT, FACE_WIDTH))
    y, x = np.indices((rows, columns))
    points = np.stack([x / step - view.margin, y / step - view.margin])
    points = _close_mouth(points - displace(points, person.warp), person.mouth)
    photo = data.astronaut()[:, :, ::-1].astype(np.float64)  # type: ignore[no-untyped-call]
    face = (1.0 - person.mirror) * _sample_photo(photo, points)
    face += person.mirror * _sample_photo(photo, np.stack([2 * MIDLINE - points[0], points[1]]))
    return _add_surface(face, points, person, make_generator(plan.seed, person.number, 1 << 20))


def draw_grain(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Draw a smooth random texture.

    Args:
        rng: Source of randomness.
        shape: Height and width.

    Returns:
        Texture of the given shape, float64, in grey levels around 0, about 2.5 root mean square.
    """
    coarse = rng.integers(-128, 128, (shape[0] + 4, shape[1] + 4))
    for _ in range(2):
        coarse = coarse[:-2] + 2 * coarse[1:-1] + coarse[2:]
        coarse = coarse[:, :-2] + 2 * coarse[:, 1:-1] + coarse[:, 2:]
    return coarse / 2048.0


def _close_mouth(points: FloatArray, amount: float) -> FloatArray:
    """Map the points of a face at rest to those of the photograph, which shows a smile with teeth."""
    corners = tuple(make_bump(side * 52, 216, 24, 20, side * -5.0, 10.0).scaled(amount) for side in (1, -1))
    x, y = points - displace(points, corners)
    side = (x - MIDLINE) / 54.0
    away = (y - (226.0 - 11.0 * side * side)) / 10.0
    spread = (1.0 + away * away) * (1.0 + side * side * side * side)
    return np.stack([x, y + amount * 30.0 * away / (spread * (1.0 + away * away))])


def _sample_photo(photo: FloatArray, points: FloatArray) -> FloatArray:
    """Return the colours `(H, W, 3)` of the photograph at face points `(2, H, W)`, by Catmull-Rom interpolation."""
    x, y = points[0] - MIDLINE, points[1] - EYE_LINE
    # In the photograph the eyes are 43 px apart, at (203, 101) and (246, 103). The head leans by 0.0465.
    across, down = 224.5 + (x - 0.0465 * y) / 2.5, 102.0 + (y + 0.0465 * x) / 2.5
    column, row = np.floor(across).astype(np.int64), np.floor(down).astype(np.int64)
    total = np.zeros((*x.shape, 3))
    for i, weight_down in enumerate(_catmull_rom(down - row)):
        for j, weight_across in enumerate(_catmull_rom(across - column)):
            total += (weight_down * weight_across)[..., None] * photo[row + (i - 1), column + (j - 1)]
    return total


def _catmull_rom(t: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the weights of the four neighbours at the fraction t between the inner two."""
    return (
        0.5 * t * (t * (2.0 - t) - 1.0),
        0.5 * (t * t * (3.0 * t - 5.0) + 2.0),
        0.5 * t * (t * (4.0 - 3.0 * t) + 1.0),
        0.5 * t * t * (t - 1.0),
    )


def _add_surface(face: FloatArray, points: FloatArray, person: Person, rng: np.random.Generator) -> FloatArray:
    """Return the face with the person's complexion, light from one side, and pores."""
    face = face + person.curve * face * (255.0 - face) / 255.0
    shade = 1.0 + person.side_light * (points[0] - MIDLINE) / MIDLINE
    pores = person.pores * draw_grain(rng, face.shape[:2]) * shade
    face = face * shade[..., None] * np.array(person.tint) + pores[..., None]
    return np.clip(face, 0.0, 255.0)
