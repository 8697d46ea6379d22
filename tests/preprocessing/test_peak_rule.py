import numpy as np

from microfacial.preprocessing.peak_rule import spot_peaks


def test_peaks_above_the_share_are_spotted_with_a_fixed_length() -> None:
    signal = np.zeros(100)
    signal[[10, 50, 80]] = 1.0, 0.3, 0.7
    assert spot_peaks(signal, 5) == [(5, 10, 15), (75, 80, 85)]


def test_intervals_end_at_the_ends_of_the_film_and_an_empty_film_has_none() -> None:
    signal = np.zeros(20)
    signal[2] = 1.0
    assert spot_peaks(signal, 5) == [(0, 2, 7)]
    assert spot_peaks(np.zeros(0), 5) == []
