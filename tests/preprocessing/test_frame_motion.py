import numpy as np
import pytest

from fakes import texture
from microfacial.errors import DatasetError
from microfacial.preprocessing.frame_motion import FrameMotion, SpottingConfig, shrink

CONFIG = SpottingConfig(width_px=112)


def test_a_frame_is_scaled_to_the_working_width() -> None:
    assert shrink(np.zeros((300, 200, 3), np.uint8), CONFIG).shape == (168, 112)


def test_a_strip_is_refused_by_its_size() -> None:
    with pytest.raises(DatasetError, match="900×100 px"):
        shrink(np.zeros((100, 900), np.uint8), CONFIG)


def test_a_shift_of_the_whole_frame_is_not_motion() -> None:
    frame = texture(112, 112)[..., 0]
    film = FrameMotion([frame, np.roll(frame, 1, axis=1)], CONFIG, None)
    assert film.strength(film.between(0, 1)[None])[0] < 0.1


def test_the_share_of_a_pattern_in_a_motion_is_their_projection() -> None:
    film = FrameMotion([texture(112, 112)[..., 0]], CONFIG, None)
    pattern = np.random.default_rng(0).normal(size=(28, 28, 2)).astype(np.float32)
    assert film.share(pattern, pattern) == pytest.approx(1)
    assert film.share(-0.5 * pattern, pattern) == pytest.approx(-0.5)


def test_strength_is_the_root_mean_square_away_from_the_edges_of_the_skin() -> None:
    skin = np.zeros((112, 112), np.bool_)
    skin[:, 56:] = True
    film = FrameMotion([texture(112, 112)[..., 0]], CONFIG, skin)
    motion = np.zeros((1, 28, 28, 2), np.float32)
    motion[:, :, 16:] = [3, 4]
    motion[:, :, :16] = 100  # outside the skin, or within two steps of its edge
    assert film.strength(motion) == pytest.approx(5)
