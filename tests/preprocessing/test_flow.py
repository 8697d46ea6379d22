import subprocess
import sys
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fakes import make_clip, texture
from microfacial.errors import ConfigError, DatasetError
from microfacial.preprocessing.flow import (
    FlowConfig,
    compute_flow,
    convert_published_map,
    facial_flow,
    key_frames,
    prepare,
)
from microfacial.preprocessing.strain import strain
from microfacial.records import ONSET_APEX, Clip
from microfacial.settings import check

SIDE = 112


def published() -> Clip:
    return make_clip(frames="a map .png", numbers=(0,), onset=0, apex=0, offset=0)


def warp(image: NDArray[np.uint8], u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the image after every point moved by about (u, v). One lookup is enough for a small, smooth motion."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    return np.asarray(cv2.remap(image, columns - u, rows - v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), np.uint8)


def bump(amplitude: float) -> NDArray[np.float32]:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    return np.asarray(amplitude * np.exp(-((rows - 80) ** 2 + (columns - 56) ** 2) / (2 * 12**2)), dtype=np.float32)


def frames(last: NDArray[np.uint8], first: NDArray[np.uint8]) -> dict[int, NDArray[np.uint8]]:
    return {1: first, 3: first, 5: last, 7: last, 9: first}


def test_motion_to_the_right_and_down_is_positive_and_in_pixels() -> None:
    first = texture(SIDE, SIDE)
    sequence = compute_flow(make_clip(), frames(warp(first, bump(1.5), bump(0.8)), first), FlowConfig())
    motion = sequence.flow[sequence.windows.index(ONSET_APEX)]
    assert sequence.flow.shape == (5, 2, SIDE, SIDE)
    assert sequence.flow.dtype == np.float16
    assert motion[:, 80, 56] == pytest.approx([1.5, 0.8], abs=0.25)


def test_each_phase_window_has_its_own_motion() -> None:
    first = texture(SIDE, SIDE)
    sequence = compute_flow(make_clip(), frames(warp(first, bump(1.5), bump(0)), first), FlowConfig())
    motion = dict(zip(sequence.windows, sequence.flow[:, 0, 80, 56], strict=True))
    assert motion["onset>rise"] == pytest.approx(0, abs=0.05)
    assert motion["rise>apex"] == pytest.approx(1.5, abs=0.25)
    assert motion["apex>fall"] == pytest.approx(0, abs=0.05)
    assert motion["fall>offset"] == pytest.approx(-1.5, abs=0.25)


def pair_flow(first: NDArray[np.uint8], last: NDArray[np.uint8], **settings: Any) -> NDArray[np.float32]:
    """Return the flow `(H, W, 2)` of one pair of frames."""
    config = FlowConfig(**settings)
    return facial_flow([(prepare(first, config), prepare(last, config))], config)[0]


@pytest.mark.parametrize("highpass_sigma_px", [8.0, None])
@pytest.mark.parametrize(
    ("method", "tolerance_px"), [("variational", 0.025), ("dis", 0.045), ("farneback", 0.045), ("tvl1", 0.02)]
)
def test_every_method_recovers_a_smooth_warp(method: str, tolerance_px: float, highpass_sigma_px: float | None) -> None:
    """The error of zero flow is 0.12 px."""
    first = texture(SIDE, SIDE)
    last = warp(first, bump(1.5), bump(-0.8))
    flow = pair_flow(first, last, method=method, highpass_sigma_px=highpass_sigma_px, head_motion="off")
    assert np.hypot(flow[..., 0] - bump(1.5), flow[..., 1] - bump(-0.8)).mean() < tolerance_px


@pytest.mark.parametrize(
    ("head_motion", "least_px", "most_px"),
    [("off", 0.8, 1.5), ("translation", 0.15, 0.35), ("similarity", 0, 0.075), ("similarity-twice", 0, 0.05)],
)
def test_head_motion_is_removed_according_to_the_setting_and_facial_motion_stays(
    head_motion: str, least_px: float, most_px: float
) -> None:
    first = texture(SIDE, SIDE)
    drift = cv2.getRotationMatrix2D((56, 56), 0.4, 1.0) + np.array([[0, 0, 0.9], [0, 0, -0.6]])
    moved = warp(first, bump(1.5), bump(0))
    warped = cv2.warpAffine(moved, drift, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    flow = pair_flow(first, np.asarray(warped, dtype=np.uint8), head_motion=head_motion)
    inner = slice(12, -12)
    assert least_px <= np.hypot(flow[..., 0] - bump(1.5), flow[..., 1])[inner, inner].mean() < most_px


def test_translation_removes_a_shift_of_the_head_and_nothing_else() -> None:
    first = texture(SIDE, SIDE)
    last = warp(first, bump(1.5) + np.float32(0.7), bump(0) - np.float32(0.4))
    flow, still = (pair_flow(first, last, head_motion=way) for way in ("off", "translation"))
    shift = np.median(flow.reshape(-1, 2), axis=0)
    assert shift == pytest.approx([0.7, -0.4], abs=0.05)
    assert flow - shift == pytest.approx(still, abs=1e-6)


@pytest.mark.parametrize(("head_motion", "is_subtracted"), [("similarity", True), ("similarity-twice", False)])
def test_similarity_subtracts_a_linear_motion_and_similarity_twice_computes_the_flow_again(
    head_motion: str, is_subtracted: bool
) -> None:
    first = texture(SIDE, SIDE)
    last = warp(first, bump(1.5) + np.float32(0.7), bump(0))
    flow, still = (pair_flow(first, last, head_motion=way).reshape(-1, 2) for way in ("off", head_motion))
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    points = np.column_stack([columns.ravel(), rows.ravel()])
    moved = np.column_stack([points + flow, np.ones(len(points))])
    remaining = points + still - moved @ np.linalg.lstsq(moved, points + still)[0]
    assert (np.abs(remaining).max() < 1e-4) == is_subtracted


@pytest.mark.parametrize("method", ["variational", "dis", "farneback", "tvl1"])
def test_a_slow_change_of_light_is_not_motion(method: str) -> None:
    first = texture(SIDE, SIDE)
    ramp = np.linspace(-4, 4, SIDE)[None, :, None]
    lit = np.clip(first * 1.03 + 3 + ramp, 0, 255).astype(np.uint8)
    flow = pair_flow(first, lit, method=method, head_motion="off")
    assert np.hypot(flow[..., 0], flow[..., 1]).mean() < 0.04


def test_without_the_high_pass_a_change_of_light_looks_like_motion() -> None:
    first = texture(SIDE, SIDE)
    lit = np.clip(first * 1.03 + 3, 0, 255).astype(np.uint8)
    flow = pair_flow(first, lit, method="tvl1", head_motion="off", highpass_sigma_px=None)
    assert np.hypot(flow[..., 0], flow[..., 1]).mean() > 0.2


def test_without_filters_the_prepared_frame_is_the_grey_frame() -> None:
    frame = texture(SIDE, SIDE)
    untouched = prepare(frame, FlowConfig(highpass_sigma_px=None, blur_sigma_px=None))
    assert np.array_equal(untouched, frame[..., 0].astype(np.float32))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "raft"}, r"flow\.method: .*'raft'"),
        ({"head_motion": "affine"}, r"flow\.head_motion: .*'affine'"),
        ({"alpha": 14.0}, r"flow\.alpha\b"),
        ({"highpass_sigma_px": 0.0}, r"flow\.highpass_sigma_px: .*0\.0"),
        ({"variational": {"alpha": -1.0}}, r"flow\.variational\.alpha: .*-1\.0"),
        ({"dis": {"preset": "slow"}}, r"flow\.dis\.preset: .*'slow'"),
        ({"farneback": {"winsize": 15}}, r"flow\.farneback\.winsize\b"),
        ({"tvl1": {"tau": 0.5}}, r"flow\.tvl1\.tau: .*0\.5"),
        ({"tvl1": {"median_px": 4}}, r"flow\.tvl1\.median_px: .*4"),
        ({"tvl1": {"device": "tpu"}}, r"flow\.tvl1\.device: .*'tpu'"),
    ],
)
def test_the_error_names_a_wrong_setting(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(settings, FlowConfig, "flow")


def test_only_tvl1_imports_torch() -> None:
    code = (
        "import sys, numpy as np; from microfacial.preprocessing.flow import FlowConfig, facial_flow;"
        "frame = np.random.default_rng(0).uniform(0, 255, (64, 64)).astype(np.float32);"
        "[facial_flow([(frame, frame)], FlowConfig(method=m)) for m in ('variational', 'dis', 'farneback')];"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rise_and_fall_are_the_existing_frames_nearest_to_the_middle_of_their_phases() -> None:
    assert key_frames(make_clip()) == (1, 3, 5, 7, 9)
    assert key_frames(make_clip(numbers=(1, 2, 5, 6, 9))) == (1, 2, 5, 6, 9)
    assert key_frames(make_clip(numbers=(1, 5), offset=5)) == (1, 1, 5, 5, 5)


def test_an_onset_that_is_also_the_apex_is_refused() -> None:
    image = texture(SIDE, SIDE)
    with pytest.raises(DatasetError, match=r"c/s/n: .*frame 0\b.*flow\.method: published"):
        compute_flow(published(), {0: image}, FlowConfig())


def test_a_clip_with_frames_is_refused_as_a_published_map() -> None:
    with pytest.raises(DatasetError, match=r"c/s/n: .*flow\.method: variational"):
        convert_published_map(make_clip(), texture(28, 28))


def test_a_blank_frame_is_refused_by_its_number() -> None:
    first, black = texture(SIDE, SIDE), np.zeros((SIDE, SIDE, 3), np.uint8)
    with pytest.raises(DatasetError, match=r"c/s/n: frame 5\b"):
        compute_flow(make_clip(), {**frames(first, first), 5: black}, FlowConfig())


def test_strain_of_the_flow_of_a_stretched_image_equals_the_stretch() -> None:
    first = texture(SIDE, SIDE)
    columns = np.mgrid[0:SIDE, 0:SIDE][1].astype(np.float32)
    flow = pair_flow(first, warp(first, 0.02 * (columns - 56), bump(0)), head_motion="off")
    assert np.median(strain(flow.transpose(2, 0, 1))) == pytest.approx(0.02, rel=0.1)


def test_published_maps_are_centred_by_their_median_and_their_strain_stays() -> None:
    image = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    sequence = convert_published_map(published(), image)
    u, v, published_strain = sequence.flow[0].astype(np.float64)
    blue_green_red = image.astype(np.float64)
    assert np.array_equal(u, blue_green_red[..., 2] - np.median(image[..., 2]))
    assert np.array_equal(v, blue_green_red[..., 1] - np.median(image[..., 1]))
    assert np.array_equal(published_strain, blue_green_red[..., 0])
    assert sequence.unit == "stretched"


def test_a_mirrored_published_map_gives_mirrored_flow_with_negated_u() -> None:
    image = np.random.default_rng(1).integers(0, 256, (27, 27, 3), dtype=np.uint8)
    mirrored = image[:, ::-1].copy()
    mirrored[..., 2] = 255 - mirrored[..., 2]
    flow, flipped = (convert_published_map(published(), picture).flow[0] for picture in (image, mirrored))
    assert np.array_equal(flipped[0], -flow[0, :, ::-1])
    assert np.array_equal(flipped[1], flow[1, :, ::-1])


def drifted_crop() -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
    """Return two frames of a head that drifts by 3 px, and the pixels in the middle that the camera covers."""
    first = texture(SIDE, SIDE)
    ones = np.ones((SIDE, SIDE), np.float32)
    last = warp(first, 3 * ones, 2 * ones)
    covered = np.zeros((SIDE, SIDE), np.bool_)
    covered[:, 16:96] = True
    beyond = [cv2.copyMakeBorder(frame[:, 16:96], 0, 0, 16, 16, cv2.BORDER_REPLICATE) for frame in (first, last)]
    return np.asarray(beyond[0], np.uint8), np.asarray(beyond[1], np.uint8), covered


@pytest.mark.parametrize("head_motion", ["translation", "similarity", "similarity-twice"])
def test_flow_is_zero_beyond_the_edges_of_the_cameras_frame(head_motion: str) -> None:
    first, last, covered = drifted_crop()
    config = FlowConfig.model_validate({"head_motion": head_motion})
    pair = (prepare(first, config), prepare(last, config))
    without_mask, with_mask = (
        np.hypot(*np.moveaxis(facial_flow([pair], config, mask)[0], -1, 0)) for mask in (None, covered)
    )
    assert without_mask[~covered].mean() > 0.5
    assert (with_mask[~covered] == 0).all()
    assert with_mask[8:-8, 30:82].mean() < 0.05


def test_the_mask_does_not_change_flow_far_inside_the_covered_pixels() -> None:
    config = FlowConfig(head_motion="off")
    first = texture(SIDE, SIDE)
    pair = (prepare(first, config), prepare(warp(first, bump(1.5), bump(-0.8)), config))
    covered = np.zeros((SIDE, SIDE), np.bool_)
    covered[:, 2:110] = True
    unmasked, masked = (facial_flow([pair], config, mask)[0] for mask in (None, covered))
    assert masked[:, 30:80] == pytest.approx(unmasked[:, 30:80], abs=1e-3)
