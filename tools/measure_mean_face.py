"""Measure the mean face that alignment aims at, and write it beside the networks' weights.

The faces are the resting faces of the demo's ten synthetic identities and their mirror images: no clip of any corpus
is in it. Their landmarks are brought together by the eyes, averaged, and made symmetric.

    python tools/measure_mean_face.py
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from microfacial.datasets.synthetic.people import DemoPlan, build_face, draw_person
from microfacial.preprocessing.alignment import MEAN_FACE
from microfacial.preprocessing.landmarks import find_landmarks
from microfacial.preprocessing.regions import EYE_CORNERS

Floats = NDArray[np.float64]

SIDE = 2.25  # of the aligned square, in distances between the eyes: cheeks, brows and chin, and a little margin
EYE_LINE = 0.24  # where the eyes lie, from the top of the square
HEADER = """\
Mean face on the aligned square of side 1: x and y of the 468 points of the face mesh, right and down.
Measured by tools/measure_mean_face.py on the resting faces of the demo's synthetic identities.
"""


def main() -> None:
    """Write the file."""
    plan = DemoPlan()
    stills = [build_face(plan, draw_person(plan, number)) for number in range(1, plan.identities + 1)]
    faces = [_landmarks(still[:, ::step]) for still in stills for step in (1, -1)]
    mean = _make_symmetric(np.mean([_level_eyes(face) for face in faces], axis=0))
    np.savetxt(MEAN_FACE, mean / SIDE + [0.5, EYE_LINE], fmt="%.4f", delimiter=",", header=HEADER.strip())


def _landmarks(still: Floats) -> Floats:
    found = find_landmarks(np.ascontiguousarray(np.rint(still).astype(np.uint8)))
    assert found is not None, "the demo's faces are found"
    return found.points


def _level_eyes(points: Floats) -> Floats:
    """The points with the origin between the eyes, the eyes on the x axis, and their distance as unit."""
    left, right = (points[list(corners)].mean(axis=0) for corners in EYE_CORNERS)
    across = (right - left) / ((right - left) ** 2).sum()
    return np.asarray((points - (left + right) / 2) @ np.array([across, [-across[1], across[0]]]).T)


def _make_symmetric(points: Floats) -> Floats:
    """The mean of a face and its mirror image, whose points are paired so that they lie closest."""
    mirrored = points * [-1, 1]
    _, partners = linear_sum_assignment(cdist(points, mirrored))
    return np.asarray((points + mirrored[partners]) / 2, dtype=np.float64)


if __name__ == "__main__":
    main()
