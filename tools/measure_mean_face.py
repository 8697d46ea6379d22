"""Measure the mean face and write it next to the weights of the networks. Alignment maps every face onto it.

It is the mean of the resting faces of the ten synthetic identities of the demo and of their mirror images. The script
uses no clip of a corpus. It aligns the landmarks of all faces by the eyes, averages them, and makes them symmetric.

    python tools/measure_mean_face.py
"""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from microfacial.datasets.synthetic.faces import build_face
from microfacial.datasets.synthetic.people import DemoPlan, draw_person
from microfacial.preprocessing.alignment import MEAN_FACE
from microfacial.preprocessing.landmarks import find_landmarks
from microfacial.preprocessing.regions import EYE_CORNERS
from microfacial.records import FloatArray

SIDE = 2.25  # side of the aligned square, as a multiple of the distance between the eyes
EYE_LINE = 0.24  # distance of the eyes from the top, as a fraction of the side
HEADER = """\
Mean face on the aligned square of side 1: x and y of the 468 points of the face mesh, right and down.
Measured by tools/measure_mean_face.py on the resting faces of the demo's synthetic identities.
"""


def main() -> None:
    """Measure the mean face and write it."""
    plan = DemoPlan()
    stills = [build_face(plan, draw_person(plan, number)) for number in range(1, plan.identities + 1)]
    faces = [_landmarks(still[:, ::step]) for still in stills for step in (1, -1)]
    mean = _make_symmetric(np.mean([_level_eyes(face) for face in faces], axis=0))
    np.savetxt(MEAN_FACE, mean / SIDE + [0.5, EYE_LINE], fmt="%.4f", delimiter=",", header=HEADER.strip())


def _landmarks(still: FloatArray) -> FloatArray:
    landmarks = find_landmarks(np.ascontiguousarray(np.rint(still).astype(np.uint8)))
    assert landmarks is not None, "no face was found in a picture of the demo"
    return landmarks.points


def _level_eyes(points: FloatArray) -> FloatArray:
    """Move, rotate and scale the points so that the eyes lie on the x axis around the origin, with distance 1."""
    left, right = (points[list(corners)].mean(axis=0) for corners in EYE_CORNERS)
    across = (right - left) / ((right - left) ** 2).sum()
    return (points - (left + right) / 2) @ np.array([across, [-across[1], across[0]]]).T


def _make_symmetric(points: FloatArray) -> FloatArray:
    """Return the mean of a face and its mirror image. Each point is paired with the closest mirrored point."""
    mirrored = points * [-1, 1]
    _, partners = linear_sum_assignment(cdist(points, mirrored))
    return (points + mirrored[partners]) / 2


if __name__ == "__main__":
    main()
