import cv2
import numpy as np
import pytest
from skimage.transform import SimilarityTransform

from microfacial.preprocessing.similarity import (
    chain_similarities,
    fit_robust_similarity,
    fit_similarity,
    invert_similarity,
    transform_points,
)


def test_points_are_rotated_scaled_and_shifted() -> None:
    similarity = np.array([[0.0, -2.0, 10.0], [2.0, 0.0, 20.0]])
    points = np.array([[[1.0, 0.0], [0.0, 3.0]]])
    assert np.array_equal(transform_points(similarity, points), [[[10, 22], [4, 20]]])


def test_a_similarity_is_recovered_exactly() -> None:
    source = np.random.default_rng(0).uniform(0, 200, (11, 2))
    motion = np.array([[0.8, -0.3, 12.0], [0.3, 0.8, -7.0]])
    assert fit_similarity(source, transform_points(motion, source)) == pytest.approx(motion)


def test_the_fit_of_noisy_points_equals_that_of_scikit_image() -> None:
    random = np.random.default_rng(0)
    source = random.uniform(0, 200, (11, 2))
    target = transform_points(np.array([[0.8, -0.3, 12.0], [0.3, 0.8, -7.0]]), source) + random.normal(0, 5, (11, 2))
    expected = SimilarityTransform.from_estimate(source, target)
    assert fit_similarity(source, target) == pytest.approx(expected.params[:2])


def test_the_fit_never_mirrors() -> None:
    source = np.random.default_rng(0).uniform(0, 200, (11, 2))
    assert np.linalg.det(fit_similarity(source, source * [-1, 1])[:, :2]) > 0


def test_the_order_of_the_points_does_not_change_a_bit_of_the_fit() -> None:
    random = np.random.default_rng(0)
    source, target = random.uniform(0, 200, (2, 500, 2))
    order = random.permutation(500)
    assert np.array_equal(fit_similarity(source[order], target[order]), fit_similarity(source, target))


def test_the_robust_fit_ignores_outliers() -> None:
    source = np.random.default_rng(0).uniform(0, 200, (50, 2))
    motion = np.array([[0.8, -0.3, 12.0], [0.3, 0.8, -7.0]])
    target = transform_points(motion, source)
    target[:20] += 30
    assert fit_robust_similarity(source, target) == pytest.approx(motion, abs=1e-4)


def test_the_robust_fit_equals_the_refined_fit_of_opencv() -> None:
    random = np.random.default_rng(0)
    source = random.uniform(0, 200, (400, 2)).astype(np.float32)
    noise = random.normal(0, 0.3, (400, 2)) * random.choice([1, 20], (400, 1), p=[0.8, 0.2])
    target = (source + noise).astype(np.float32)
    expected, _ = cv2.estimateAffinePartial2D(source, target, method=cv2.LMEDS)
    assert fit_robust_similarity(source, target) == pytest.approx(expected, abs=1e-5)


def test_a_similarity_is_undone_by_its_inverse_and_chained_in_order() -> None:
    turn = np.array([[0.0, -2.0, 3.0], [2.0, 0.0, 5.0]])
    shift = np.array([[1.0, 0.0, -4.0], [0.0, 1.0, 7.0]])
    points = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 3.0]])
    assert transform_points(turn, points) == pytest.approx(np.array([[3, 5], [3, 7], [-3, 9]]))
    assert transform_points(invert_similarity(turn), transform_points(turn, points)) == pytest.approx(points)
    chained = transform_points(chain_similarities(turn, shift), points)
    assert chained == pytest.approx(np.array([[-1, 12], [-1, 14], [-7, 16]]))
