import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.transform import SimilarityTransform

from fakes import texture
from microfacial.preprocessing.alignment import covered_pixels, fit_similarity, mean_face, warp_to_square
from microfacial.preprocessing.regions import EYE_CORNERS


def apply(transform: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points @ transform[:, :2].T + transform[:, 2]


def test_a_similarity_is_recovered_exactly() -> None:
    source = np.random.default_rng(0).uniform(0, 200, (11, 2))
    motion = np.array([[0.8, -0.3, 12.0], [0.3, 0.8, -7.0]])
    assert fit_similarity(source, apply(motion, source)) == pytest.approx(motion)


def test_the_fit_of_noisy_points_equals_that_of_scikit_image() -> None:
    random = np.random.default_rng(0)
    source = random.uniform(0, 200, (11, 2))
    target = apply(np.array([[0.8, -0.3, 12.0], [0.3, 0.8, -7.0]]), source) + random.normal(0, 5, (11, 2))
    expected = SimilarityTransform.from_estimate(source, target)
    assert fit_similarity(source, target) == pytest.approx(expected.params[:2])


def test_the_fit_never_mirrors() -> None:
    source = np.random.default_rng(0).uniform(0, 200, (11, 2))
    assert np.linalg.det(fit_similarity(source, source * [-1, 1])[:, :2]) > 0


def test_the_mean_face_is_upright_symmetric_and_inside_the_square() -> None:
    face = mean_face(224)
    left, right = (face[list(corners)].mean(axis=0) for corners in EYE_CORNERS)
    assert left[1] == right[1] == pytest.approx(0.24 * 224 - 0.5, abs=0.1)
    assert left[0] + right[0] == pytest.approx(223, abs=0.1)
    forehead = face[:, 1] < 0
    assert forehead.sum() < 20
    assert face[~forehead].min() > 0
    assert face.max() < 223


def test_a_warp_repeats_the_edge_beyond_the_frame() -> None:
    frame = texture(40, 30)
    warped = warp_to_square(frame, np.array([[1.0, 0.0, 10.0], [0.0, 1.0, 0.0]]), 40)
    expected = cv2.copyMakeBorder(frame, 0, 0, 10, 0, cv2.BORDER_REPLICATE)
    assert np.array_equal(warped, expected)


def test_a_pixel_is_covered_where_the_square_shows_the_frame() -> None:
    frame = np.zeros((100, 60, 3), np.uint8)
    covered = covered_pixels(frame, np.array([[1.0, 0.0, 20.0], [0.0, 1.0, 0.0]]), 100)
    assert covered[:, 20:80].all()
    assert not covered[:, :20].any()
    assert not covered[:, 80:].any()
