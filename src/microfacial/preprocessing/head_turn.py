"""Remove the motion of a head that turns or nods from flow, and recognise what is left of it.

A point of a rigid head that turns a little moves sideways in proportion to its depth. It moves down in proportion to
its depth if the head nods. Both are fitted together with a similarity. Points that move otherwise have little weight.

The depth of a face is known only roughly, so some motion of a head that turns far is left. It changes smoothly over the
whole face, and an expression does not.

Source: Longuet-Higgins and Prazdny, Proc. R. Soc. Lond. B 1980, doi:10.1098/rspb.1980.0057 (flow of a rigid body);
Holland and Welsch, Commun. Stat. 1977, doi:10.1080/03610927708827533 (iteratively reweighted least squares).
"""

import numpy as np
from numpy.typing import NDArray

from microfacial.records import FloatArray

_ITERATIONS = 6
_TUNING = 1.5  # residuals of this multiple of their median have half of the full weight
_LEAST_SCALE_PX = 0.02
_DECIMALS = 6  # of the fitted amounts in px, so that results do not depend on the processor


class HeadTurn:
    """The flow fields of a rigid head, on a grid."""

    def __init__(self, points: FloatArray, depth: FloatArray, used: NDArray[np.bool_]) -> None:
        """Compute the fields.

        Args:
            points: x and y of the grid, `(h, w, 2)`.
            depth: distance from the camera, `(h, w)`, with any zero.
            used: points to which the motion is fitted, `(h, w)`.
        """
        self._used = used
        self._middle, self._unit = points[used].mean(axis=0), float(points.max())
        x, y = np.moveaxis((points - self._middle) / self._unit, -1, 0)
        z = (depth - depth[used].mean()) / max(float(depth[used].std()), 1e-6)
        zero, one = np.zeros_like(x), np.ones_like(x)
        pairs = ((x, y), (-y, x), (one, zero), (zero, one), (z, zero), (zero, z))
        self._fields = np.stack([np.stack(pair, axis=-1) for pair in pairs])  # (6, h, w, 2)
        self._fitted = self._fields[:, used].reshape(len(pairs), -1)

    def remove(self, flow: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return flow without the motion of the rigid head.

        Args:
            flow: `(h, w, 2)` in px.

        Returns:
            `(h, w, 2)` in px.
        """
        return self.split(flow)[0]

    def split(self, flow: NDArray[np.float32]) -> tuple[NDArray[np.float32], FloatArray]:
        """Return flow without the motion of the rigid head, and where the head moves in the picture plane.

        Args:
            flow: `(h, w, 2)` in px.

        Returns:
            The flow of the skin, `(h, w, 2)` in px, and the similarity from points before the motion to points after
            it, `(2, 3)`. The similarity does not contain turns and nods.
        """
        target = flow[self._used].astype(np.float64).ravel()  # u and v of each point
        weights = np.ones(len(target))
        for _ in range(_ITERATIONS):
            weighted = self._fitted * weights
            matrix = weighted @ self._fitted.T + 1e-9 * np.eye(len(weighted))
            amounts = np.linalg.solve(matrix, weighted @ target)
            away = np.hypot(*(target - amounts @ self._fitted).reshape(-1, 2).T)
            scale = _TUNING * max(float(np.median(away)), _LEAST_SCALE_PX)
            weights = np.repeat(1.0 / (1.0 + (away / scale) ** 2), 2)
        amounts = amounts.round(_DECIMALS)
        turn = np.einsum("a,ahwk->hwk", amounts, self._fields)
        return np.asarray(flow - turn, dtype=np.float32), self._as_similarity(amounts)

    def _as_similarity(self, amounts: FloatArray) -> FloatArray:
        grow, rotate = amounts[:2] / self._unit
        linear = np.array([[1.0 + grow, -rotate], [rotate, 1.0 + grow]])
        moved = linear[:, 0] * self._middle[0] + linear[:, 1] * self._middle[1]
        return np.column_stack([linear, self._middle + amounts[2:4] - moved])


def smooth_share(points: FloatArray, motion: NDArray[np.float32]) -> float:
    """Return how much of a motion changes as smoothly over the face as that of a rigid head.

    Args:
        points: x and y, `(n, 2)`.
        motion: motion at the points, `(n, 2)` in px.

    Returns:
        Share of the squared motion that quadratic functions of x and y explain, 0 to 1, rounded.
    """
    x, y = ((points - points.mean(axis=0)) / points.std()).T
    functions = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    target = motion.astype(np.float64)
    left = target - functions @ np.linalg.lstsq(functions, target, rcond=None)[0]
    return round(1.0 - float((left**2).sum() / (target**2).sum()), 4) if target.any() else 0.0
