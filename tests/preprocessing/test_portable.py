import cv2
import numpy as np
import pytest
from skimage import data

from microfacial.preprocessing.alignment import place_face
from microfacial.preprocessing.head_motion import fit_head_motion
from microfacial.preprocessing.landmarks import find_landmarks
from microfacial.preprocessing.portable import (
    portable_opencv,
    round_confidence,
    round_points,
    round_signal,
    round_similarity,
)
from microfacial.preprocessing.similarity import fit_similarity
from microfacial.records import Image

PHOTO: Image = np.ascontiguousarray(data.astronaut()[20:220, 120:330, ::-1])  # type: ignore[no-untyped-call]
CORNERS = np.array([[0.0, 0.0], [3840.0, 0.0], [0.0, 2160.0], [3840.0, 2160.0]])


@pytest.mark.parametrize("optimised", [True, False])
def test_the_choice_of_opencvs_code_is_restored_even_after_an_error(optimised: bool) -> None:
    before = cv2.useOptimized()
    try:
        cv2.setUseOptimized(optimised)
        inside = portable_opencv()(cv2.useOptimized)()
        assert not inside
        assert cv2.useOptimized() is optimised
        with pytest.raises(ZeroDivisionError), portable_opencv():
            1 / 0  # noqa: B018
        assert cv2.useOptimized() is optimised
    finally:
        cv2.setUseOptimized(before)


def test_a_rounded_similarity_is_a_similarity_and_moves_no_point_by_more_than_0_0001_px() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        similarity = fit_similarity(random.uniform(0, 2000, (11, 2)), random.uniform(0, 224, (11, 2)))
        rounded = round_similarity(similarity)
        assert rounded[0, 0] == rounded[1, 1]
        assert rounded[0, 1] == -rounded[1, 0]
        moved = CORNERS @ (rounded - similarity)[:, :2].T + (rounded - similarity)[:, 2]
        assert np.abs(moved).max() < 1e-4


def test_noise_in_the_last_bits_disappears() -> None:
    random = np.random.default_rng(0)
    points, signal = random.uniform(0, 500, (468, 2)), random.uniform(0, 2, 60)
    similarity = fit_similarity(random.uniform(0, 2000, (11, 2)), random.uniform(0, 224, (11, 2)))
    assert np.array_equal(round_points(points), round_points(points * (1 + 1e-15)))
    assert np.array_equal(round_signal(signal), round_signal(signal * (1 + 1e-15)))
    assert np.array_equal(round_similarity(similarity), round_similarity(similarity * (1 + 1e-15)))
    assert round_confidence(0.98765432) == round_confidence(0.98765432 * (1 + 1e-15)) == 0.9877


def test_landmarks_and_the_place_of_a_face_are_rounded() -> None:
    landmarks, face = find_landmarks(PHOTO), place_face(PHOTO, 224)
    assert landmarks is not None
    assert face is not None
    assert np.array_equal(landmarks.points, round_points(landmarks.points))
    assert landmarks.confidence == round_confidence(landmarks.confidence)
    assert np.array_equal(face.transform, round_similarity(face.transform))
    assert np.array_equal(face.points, round_points(face.points))


def test_the_motion_of_the_head_is_rounded() -> None:
    flow = np.random.default_rng(0).normal(size=(64, 64, 2)).astype(np.float32)
    motion = fit_head_motion(flow, np.ones((64, 64), np.bool_))
    assert np.array_equal(motion, round_similarity(motion))


@pytest.mark.parametrize("optimised", [True, False])
def test_landmarks_do_not_depend_on_the_choice_of_opencvs_code(optimised: bool) -> None:
    expected = find_landmarks(PHOTO)
    before = cv2.useOptimized()
    try:
        cv2.setUseOptimized(optimised)
        landmarks = find_landmarks(PHOTO)
    finally:
        cv2.setUseOptimized(before)
    assert expected is not None
    assert landmarks is not None
    assert np.array_equal(landmarks.points, expected.points)
