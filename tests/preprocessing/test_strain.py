import numpy as np
import pytest
from numpy.typing import NDArray

from microfacial.preprocessing.strain import strain

ROWS, COLUMNS = np.mgrid[0:9, 0:9].astype(np.float64)


@pytest.mark.parametrize(
    ("u", "v", "expected"),
    [
        pytest.param(0 * COLUMNS + 2.0, 0 * ROWS - 1.0, 0.0, id="shift"),
        pytest.param(-0.1 * ROWS, 0.1 * COLUMNS, 0.0, id="rotation"),
        pytest.param(0.3 * COLUMNS, 0 * ROWS, 0.3, id="stretch"),
        pytest.param(0.2 * COLUMNS, 0.2 * ROWS, 0.2 * np.sqrt(2), id="expansion"),
        pytest.param(0.3 * COLUMNS, -0.4 * ROWS, 0.5, id="stretch and compression"),
        pytest.param(0.2 * ROWS, 0.2 * COLUMNS, 0.4 * np.sqrt(0.5), id="pure shear"),
        pytest.param(0.2 * ROWS, 0.4 * COLUMNS, 0.6 * np.sqrt(0.5), id="shear and rotation"),
    ],
)
def test_strain_of_an_analytic_field_equals_the_value_by_hand(
    u: NDArray[np.float64], v: NDArray[np.float64], expected: float
) -> None:
    assert strain(np.stack([u, v])) == pytest.approx(np.full((9, 9), expected), abs=1e-6)


def test_strain_of_a_batch_equals_the_strain_of_each_map() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, 2, 9, 7)).astype(np.float16)
    assert np.array_equal(strain(maps)[1, 2], strain(maps[1, 2]))
