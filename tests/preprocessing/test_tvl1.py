import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fakes import texture
from microfacial.errors import ConfigError
from microfacial.preprocessing.opencv_flow import Tvl1Settings
from microfacial.preprocessing.tvl1 import _divergence, _forward_gradient, _median, tvl1

SIDE = 64
QUICK = Tvl1Settings(warps=2, outer_iterations=3)


def pairs() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return pairs of three textures. They move by 0, by 0.5 px to the right, and by 1.2 px up."""
    firsts = np.stack([texture(SIDE, SIDE, seed)[..., 0] for seed in range(3)]).astype(np.float32)
    shifts = ([[1.0, 0.0, right], [0.0, 1.0, down]] for right, down in [(0.0, 0.0), (0.5, 0.0), (0.0, -1.2)])
    lasts = [
        cv2.warpAffine(first, np.array(shift), (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        for first, shift in zip(firsts, shifts, strict=True)
    ]
    return firsts, np.array(lasts, dtype=np.float32)


def test_shifts_are_measured_in_pixels_right_and_down() -> None:
    flows = tvl1(*pairs(), Tvl1Settings())
    assert flows.shape == (3, SIDE, SIDE, 2)
    assert flows.dtype == np.float32
    assert np.median(flows, axis=(1, 2)) == pytest.approx(np.array([[0, 0], [0.5, 0], [0, -1.2]]), abs=0.03)


def test_the_flow_of_a_batch_equals_the_flow_of_each_pair() -> None:
    """The pairs need different numbers of iterations, so a converged pair must stay fixed while the others continue."""
    firsts, lasts = pairs()
    together = tvl1(firsts, lasts, QUICK)
    single = [tvl1(firsts[[index]], lasts[[index]], QUICK)[0] for index in range(3)]
    assert np.abs(together - np.stack(single)).max() < 1e-4


def test_the_number_of_threads_has_no_effect_and_is_restored() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        two = tvl1(*pairs(), QUICK)
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        assert np.array_equal(tvl1(*pairs(), QUICK), two)
    finally:
        torch.set_num_threads(before)


def test_frames_of_odd_size_keep_their_size_in_tvl1() -> None:
    frames = np.stack([texture(45, 38)[..., 0]]).astype(np.float32)
    assert tvl1(frames, frames, QUICK).shape == (1, 45, 38, 2)


@pytest.mark.parametrize("window_px", [1, 3, 5])
def test_the_median_filter_equals_opencvs(window_px: int) -> None:
    images = np.random.default_rng(0).normal(size=(3, 2, 20, 17)).astype(np.float32)
    expected = [[cv2.medianBlur(image, window_px) for image in pair] for pair in images]
    assert np.array_equal(_median(torch.from_numpy(images), window_px).numpy(), np.array(expected))


def test_divergence_is_minus_the_adjoint_of_the_gradient() -> None:
    """<grad f, p> = -<f, div p> if p is zero at the last edge."""
    random = torch.Generator().manual_seed(0)
    flow = torch.randn(2, 2, 9, 7, generator=random, dtype=torch.float64)
    dual = torch.randn(2, 2, 2, 9, 7, generator=random, dtype=torch.float64)
    dual[:, :, 0, :, -1] = 0
    dual[:, :, 1, -1] = 0
    left, right = (_forward_gradient(flow) * dual).sum(), -(flow * _divergence(dual)).sum()
    assert left.item() == pytest.approx(right.item())


def test_a_missing_device_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"flow\.tvl1\.device: .*cuda.*cpu"):
        tvl1(*pairs(), Tvl1Settings(device="cuda"))
