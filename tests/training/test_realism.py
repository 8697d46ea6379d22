"""The benchmark that compares drawn with measured motion."""

import numpy as np
import pytest
import realism


def waves(cycles: int) -> realism.Maps:
    columns = np.cos(2 * np.pi * cycles * np.arange(28) / 28)
    return np.tile(columns.astype(np.float32), (3, 2, 28, 1))


@pytest.mark.parametrize(("cycles", "band"), [(1, 0), (3, 0), (4, 1), (7, 2), (13, 3)])
def test_a_wave_lies_in_the_band_of_its_frequency(cycles: int, band: int) -> None:
    assert realism.band_shares(waves(cycles)) == pytest.approx(np.tile(np.eye(4)[band], (3, 1)), abs=1e-6)


def test_amplitude_and_strain_of_a_stretched_face() -> None:
    rows, columns = np.indices((28, 28), dtype=np.float32)
    motion = realism.Motion(flow=np.stack([columns, 0 * rows])[None], people=np.array(["a"]))
    assert motion.amplitude == pytest.approx([13.5])
    assert motion.strain == pytest.approx([1 / 13.5])
    assert motion.concentration == pytest.approx([78 / 784])


def test_a_face_without_motion_has_finite_values() -> None:
    motion = realism.Motion(flow=np.zeros((1, 2, 28, 28), np.float32), people=np.array(["a"]))
    assert not np.any([motion.amplitude, motion.strain, motion.concentration])
    assert not motion.spectrum.any()


@pytest.mark.parametrize(("shift", "expected"), [(0.0, 0.5), (9.0, 1.0)])
def test_the_classifier_is_scored_on_people_that_it_has_not_seen(shift: float, expected: float) -> None:
    random = np.random.default_rng(0)
    drawn = np.arange(120) % 2 == 1
    people = np.array([f"{row % 2}/{row // 6}" for row in range(120)])
    traits = {name: random.normal(size=3) for name in np.unique(people)}  # known only after the person was seen
    features = np.array([traits[name] for name in people]) + shift * drawn[:, None]
    area, low, high = realism.tell_apart(features, drawn, people, seed=0, draws=20)
    assert area == pytest.approx(expected, abs=0.2)
    assert low <= area <= high
