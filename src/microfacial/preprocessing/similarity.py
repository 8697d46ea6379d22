"""Similarities of the plane: shift, rotation and scale. A similarity is a matrix `(2, 3)`.

The sums here are exact and no product uses BLAS, so the results are identical on every processor.
"""

from math import fsum
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.records import FloatArray

_Points = NDArray[np.floating[Any]]


def transform_points(similarity: FloatArray, points: _Points) -> FloatArray:
    """Apply a similarity to points.

    Args:
        similarity: `(2, 3)`.
        points: `(…, 2)`, x and y.

    Returns:
        `(…, 2)`.
    """
    x, y = points[..., 0], points[..., 1]
    moved = np.empty(points.shape, np.float64)
    for axis, (across, down, shift) in enumerate(similarity.tolist()):
        moved[..., axis] = across * x + down * y + shift
    return moved


def invert_similarity(similarity: FloatArray) -> FloatArray:
    """Return the similarity that undoes another one.

    Args:
        similarity: `(2, 3)`.

    Returns:
        `(2, 3)`.
    """
    (a, c, x), (b, d, y) = similarity.tolist()
    area = a * d - b * c
    rows = ((d / area, -c / area), (-b / area, a / area))
    return np.array([(across, down, -(across * x + down * y)) for across, down in rows])


def chain_similarities(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the similarity that applies one similarity and then another.

    Args:
        first: `(2, 3)`.
        second: `(2, 3)`.

    Returns:
        `(2, 3)`.
    """
    across, down, shift = transform_points(second, first.T)
    return np.column_stack([across - second[:, 2], down - second[:, 2], shift])


def fit_similarity(points: FloatArray, targets: FloatArray) -> FloatArray:
    """Fit the similarity that brings points closest to targets by least squares. It never mirrors.

    Source: Umeyama 1991, doi:10.1109/34.88573. In the plane, the solution is a ratio of two sums.

    Args:
        points: `(n, 2)`, x and y.
        targets: `(n, 2)`, x and y.

    Returns:
        The similarity, `(2, 3)`.
    """
    middle, target_middle = (
        np.array([fsum(column) / len(column) for column in values.T]) for values in (points, targets)
    )
    (x, y), (u, v) = (points - middle).T, (targets - target_middle).T
    spread = fsum(x * x + y * y)
    cosine, sine = fsum(x * u + y * v) / spread, fsum(x * v - y * u) / spread
    linear = np.array([[cosine, -sine], [sine, cosine]])
    shift = target_middle - (linear[:, 0] * middle[0] + linear[:, 1] * middle[1])
    return np.column_stack([linear, shift])


def fit_robust_similarity(points: _Points, targets: _Points) -> FloatArray:
    """Fit the similarity that most points follow: least median of squares, then least squares on the inliers.

    OpenCV finds the inliers. Its own refinement is not used: it iterates, and its error of about 1e-8 depends on the
    processor.

    Args:
        points: `(n, 2)`, x and y.
        targets: `(n, 2)`, x and y.

    Returns:
        The similarity, `(2, 3)`.
    """
    source, target = (values.astype(np.float32) for values in (points, targets))
    similarity, inliers = cv2.estimateAffinePartial2D(source, target, method=cv2.LMEDS, refineIters=0)
    assert similarity is not None, "the points are not degenerate"
    rows = inliers.ravel() > 0
    return fit_similarity(points[rows].astype(np.float64), targets[rows].astype(np.float64))
