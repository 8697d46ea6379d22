import pytest

from microfacial.errors import DatasetError
from microfacial.preprocessing.even_steps import choose_even_steps


def test_even_steps_return_each_frame_once_with_the_given_rate() -> None:
    seconds = {number: round(number / 30, 3) for number in range(7, 20)}  # rounded to milliseconds
    assert choose_even_steps(seconds, 30.0, 0.5) == (tuple(range(7, 20)), 30.0)
    assert choose_even_steps({3: 0.0}, 30.0, 0.5) == ((3,), 30.0)


def test_a_frame_that_stays_longer_appears_several_times() -> None:
    seconds = {1: 0.0, 2: 0.04, 3: 0.08, 4: 0.2, 5: 0.24}
    numbers, fps = choose_even_steps(seconds, 16.0, 0.5)
    assert numbers == (1, 2, 3, 3, 3, 4, 5)
    assert fps == pytest.approx(25.0)


def test_a_pause_counts_as_the_longest_movement() -> None:
    seconds = {1: 0.0, 2: 0.1, 3: 0.2, 4: 3600.0, 5: 3600.1}
    assert choose_even_steps(seconds, 1.0, 0.5)[0] == (1, 2, 3, 3, 3, 3, 3, 4, 5)


def test_steps_that_differ_too_much_are_refused() -> None:
    times = [0.0]
    for number in range(201):
        times.append(times[-1] + (0.00001 if number % 2 == 0 else 10.0))
    with pytest.raises(DatasetError, match="constant frame rate"):
        choose_even_steps(dict(enumerate(times)), 100.0, 0.5)
