import numpy as np
import pytest

from fakes import texture
from microfacial.preprocessing.opencv_flow import (
    DisSettings,
    FarnebackSettings,
    Gray,
    VariationalSettings,
    dis,
    farneback,
    variational,
)


def gray(height: int, width: int) -> Gray:
    return texture(height, width).astype(np.float32)[..., 0]


def test_frames_of_odd_size_keep_their_size() -> None:
    assert variational(gray(113, 91), gray(113, 91), VariationalSettings(levels=4)).shape == (113, 91, 2)


def test_alpha_step_changes_coarser_levels_only() -> None:
    """One level has no coarser level, so the step has no effect. With three levels it has one."""
    first, last = gray(64, 64), np.roll(gray(64, 64), 1, axis=1)

    def solve(levels: int, alpha_step: float) -> Gray:
        return variational(first, last, VariationalSettings(levels=levels, alpha_step=alpha_step))

    assert np.array_equal(solve(1, 1.0), solve(1, 2.0))
    assert not np.array_equal(solve(3, 1.0), solve(3, 2.0))


def test_the_finished_flow_is_not_smoothed_without_a_sigma() -> None:
    first, last = gray(64, 64), gray(64, 64)[::-1].copy()
    rough, smooth = (variational(first, last, VariationalSettings(smooth_sigma_px=s)) for s in (None, 2.0))
    assert np.abs(np.diff(smooth, axis=0)).mean() < np.abs(np.diff(rough, axis=0)).mean()


@pytest.mark.parametrize("preset", ["ultrafast", "fast", "medium"])
@pytest.mark.parametrize("finest_scale", [None, 0, 5])
@pytest.mark.parametrize("side", [28, 224])
def test_dis_accepts_every_setting_on_small_and_large_frames(preset: str, finest_scale: int | None, side: int) -> None:
    settings = DisSettings.model_validate({"preset": preset, "finest_scale": finest_scale})
    assert np.abs(dis(gray(side, side), gray(side, side), settings)).max() < 0.05


def test_farneback_accepts_frames_smaller_than_its_window() -> None:
    assert np.abs(farneback(gray(28, 28), gray(28, 28), FarnebackSettings(winsize_px=41))).max() < 0.05
