import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fakes import make_clip, texture
from microfacial.errors import DatasetError
from microfacial.flow import FlowConfig, compute_flow, key_frames, read_published, strain, variational
from microfacial.records import ONSET_APEX, Clip

SIDE = 112


def published() -> Clip:
    return make_clip(frames="a map .png", numbers=(0,), onset=0, apex=0, offset=0)


def warp(image: NDArray[np.uint8], u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture after every point moved by about (u, v): smooth and small, so a backward lookup will do."""
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


def test_a_phase_window_holds_its_own_motion_and_a_still_one_none() -> None:
    first = texture(SIDE, SIDE)
    sequence = compute_flow(make_clip(), frames(warp(first, bump(1.5), bump(0)), first), FlowConfig())
    motion = dict(zip(sequence.windows, sequence.flow[:, 0, 80, 56], strict=True))
    assert motion["onset>rise"] == pytest.approx(0, abs=0.05)
    assert motion["rise>apex"] == pytest.approx(1.5, abs=0.25)
    assert motion["apex>fall"] == pytest.approx(0, abs=0.05)
    assert motion["fall>offset"] == pytest.approx(-1.5, abs=0.25)


def test_head_motion_is_removed_and_facial_motion_kept() -> None:
    first = texture(SIDE, SIDE)
    drift = cv2.getRotationMatrix2D((56, 56), 0.4, 1.0) + np.array([[0, 0, 0.9], [0, 0, -0.6]])
    moved = warp(first, bump(1.5), bump(0))
    warped = cv2.warpAffine(moved, drift, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    shaken = np.asarray(warped, dtype=np.uint8)
    inner = slice(12, -12)

    def error(head_motion: str) -> float:
        config = FlowConfig(head_motion=head_motion)  # type: ignore[arg-type]
        flow = compute_flow(make_clip(), frames(shaken, first), config).flow[0].astype(np.float64)
        return float(np.hypot(flow[0] - bump(1.5), flow[1])[inner, inner].mean())

    assert error("off") > 0.8
    assert error("similarity") < 0.15


def test_a_slow_change_of_light_is_not_motion() -> None:
    first = texture(SIDE, SIDE)
    ramp = np.linspace(-4, 4, SIDE)[None, :, None]
    lit = np.clip(first * 1.03 + 3 + ramp, 0, 255).astype(np.uint8)
    flow = compute_flow(make_clip(), frames(lit, first), FlowConfig()).flow[0].astype(np.float64)
    assert np.hypot(*flow).mean() < 0.1


def test_the_pyramid_follows_odd_sizes() -> None:
    first = texture(113, 91).astype(np.float32)[..., 0]
    assert variational(first, first, FlowConfig(levels=4)).shape == (113, 91, 2)


def test_key_frames_are_nearest_in_time_whatever_is_missing() -> None:
    assert key_frames(make_clip()) == (1, 3, 5, 7, 9)
    assert key_frames(make_clip(numbers=(1, 2, 5, 6, 9))) == (1, 2, 5, 6, 9)
    assert key_frames(make_clip(numbers=(1, 5), offset=5)) == (1, 1, 5, 5, 5)


def test_onset_and_apex_that_are_one_frame_are_refused_not_zero() -> None:
    image = texture(SIDE, SIDE)
    with pytest.raises(DatasetError, match=r"c/s/n: onset and apex are the same frame 0.*flow\.method: published"):
        compute_flow(published(), {0: image}, FlowConfig())


def test_frames_that_are_no_map_are_refused_as_published_flow() -> None:
    with pytest.raises(DatasetError, match=r"c/s/n: has frames, not a flow map. Set flow\.method: variational"):
        read_published(make_clip(), texture(28, 28))


def test_a_frame_that_shows_nothing_is_refused_not_zero() -> None:
    first, black = texture(SIDE, SIDE), np.zeros((SIDE, SIDE, 3), np.uint8)
    with pytest.raises(DatasetError, match="c/s/n: frame 5 shows nothing"):
        compute_flow(make_clip(), {**frames(first, first), 5: black}, FlowConfig())


def test_strain_of_analytic_fields() -> None:
    rows, columns = np.mgrid[0:9, 0:9].astype(np.float64)
    stretch = np.stack([0.3 * columns, -0.4 * rows])
    shear = np.stack([0.2 * rows, 0.4 * columns])
    rotation = np.stack([-0.1 * rows, 0.1 * columns])
    assert strain(stretch) == pytest.approx(np.full((9, 9), 0.5), abs=1e-6)
    assert strain(shear) == pytest.approx(np.full((9, 9), np.sqrt(0.5 * 0.6**2)), abs=1e-6)
    assert strain(rotation) == pytest.approx(np.zeros((9, 9)), abs=1e-6)
    assert strain(np.stack([stretch, shear])).shape == (2, 9, 9)


def test_published_maps_are_centred_by_their_median_and_keep_their_strain() -> None:
    image = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    sequence = read_published(published(), image)
    u, v, published_strain = sequence.flow[0].astype(np.float64)
    blue_green_red = image.astype(np.float64)
    assert np.array_equal(u, blue_green_red[..., 2] - np.median(image[..., 2]))
    assert np.array_equal(v, blue_green_red[..., 1] - np.median(image[..., 1]))
    assert np.array_equal(published_strain, blue_green_red[..., 0])
    assert sequence.unit == "stretched"


def test_mirrored_published_maps_give_mirrored_flow_with_u_negated() -> None:
    image = np.random.default_rng(1).integers(0, 256, (27, 27, 3), dtype=np.uint8)
    mirrored = image[:, ::-1].copy()
    mirrored[..., 2] = 255 - mirrored[..., 2]
    flow, flipped = (read_published(published(), picture).flow[0] for picture in (image, mirrored))
    assert np.array_equal(flipped[0], -flow[0, :, ::-1])
    assert np.array_equal(flipped[1], flow[1, :, ::-1])
