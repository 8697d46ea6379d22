"""Random numbers that depend only on a key, never on the order of work."""

import numpy as np


def make_generator(*key: int) -> np.random.Generator:
    """Return the generator that belongs to a key.

    Args:
        key: Numbers that identify the drawn object, such as the seed of the plan and the number of the person.
    """
    return np.random.Generator(np.random.PCG64(key))


def draw_between(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a uniform number.

    Args:
        rng: Source of randomness.
        low: Lower bound.
        high: Upper bound.
    """
    return low + (high - low) * float(rng.random())
