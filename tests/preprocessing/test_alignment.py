import cv2
import numpy as np
import pytest

from fakes import texture
from microfacial.preprocessing.alignment import covered_pixels, mean_face, warp_to_grey, warp_to_square
from microfacial.preprocessing.portable import portable_opencv, round_similarity
from microfacial.preprocessing.regions import EYE_CORNERS


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


@pytest.mark.parametrize("shift", [(-30.0, -40.0), (5.0, 8.0), (-500.0, 20.0), (90.0, -300.0)])
def test_the_part_of_a_frame_in_the_square_is_warped_as_the_whole_frame(shift: tuple[float, float]) -> None:
    frame = np.stack([texture(120, 90, seed)[..., 0] for seed in range(3)], axis=-1)
    transform = round_similarity(np.column_stack([[[1.2, -0.4], [0.4, 1.2]], shift]))
    with portable_opencv():
        whole = warp_to_square(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), transform, 64)
    assert np.abs(warp_to_grey(frame, transform, 64).astype(int) - whole).max() <= 1


def test_a_pixel_is_covered_where_the_square_shows_the_frame() -> None:
    frame = np.zeros((100, 60, 3), np.uint8)
    covered = covered_pixels(frame, np.array([[1.0, 0.0, 20.0], [0.0, 1.0, 0.0]]), 100)
    assert covered[:, 20:80].all()
    assert not covered[:, :20].any()
    assert not covered[:, 80:].any()


@pytest.mark.parametrize("right", [0.0, 0.6, 19.4, 20.0, 20.4, 20.6, 21.0])
def test_the_coverage_is_that_of_a_warped_frame(right: float) -> None:
    transform = np.array([[1.0, 0.0, -right], [0.0, 1.0, -1.0]])
    expected = cv2.warpAffine(np.ones((52, 70), np.uint8), transform, (50, 50), flags=cv2.INTER_NEAREST)
    covered = covered_pixels(np.zeros((52, 70, 3), np.uint8), transform, 50)
    assert np.array_equal(covered, expected > 0)
    assert covered.all() == (right <= 20.4)
