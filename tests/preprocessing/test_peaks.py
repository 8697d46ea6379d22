import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal
from scipy.signal import find_peaks

from microfacial.preprocessing.peaks import find_high_peaks, find_prominent_peaks
from microfacial.records import FloatArray

levels = st.one_of(st.integers(-3, 3).map(float), st.floats(-5.0, 5.0))  # few levels give plateaus and ties
signals = arrays(np.float64, st.integers(0, 40), elements=levels)


@given(signals, st.floats(-3.0, 3.0), st.integers(1, 12))
def test_high_peaks_are_those_of_scipy(signal: FloatArray, height: float, distance: int) -> None:
    expected, _ = find_peaks(signal, height=height, distance=distance)
    assert_array_equal(find_high_peaks(signal, height, distance), expected)


@given(signals, st.floats(0.0, 3.0))
def test_prominent_peaks_are_those_of_scipy(signal: FloatArray, prominence: float) -> None:
    expected, facts = find_peaks(signal, prominence=prominence)
    peaks, prominences = find_prominent_peaks(signal, prominence)
    assert_array_equal(peaks, expected)
    assert_array_equal(prominences, facts["prominences"])


@pytest.mark.parametrize(
    ("signal", "peaks"),
    [([], []), ([1.0], []), ([0.0, 1.0, 0.0], [1]), ([0.0, 2.0, 2.0, 2.0, 2.0, 1.0], [2]), ([3.0, 3.0, 1.0, 2.0], [])],
)
def test_the_ends_are_no_peaks_and_a_plateau_counts_once(signal: list[float], peaks: list[int]) -> None:
    assert find_high_peaks(np.array(signal), 0.0, 1).tolist() == peaks
