import math
from collections.abc import Mapping

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fakes import texture
from microfacial.errors import DatasetError
from microfacial.preprocessing.frame_motion import FrameMotion, SpottingConfig, measure_noise
from microfacial.preprocessing.spotting import spot_apex, spot_interval

FPS = 40.0  # each frame is compared with those ten before and after it
SKIN = texture(112, 112)[..., 0]
CONFIG = SpottingConfig(width_px=112)


def film(
    strengths: list[float], *, drift_px: float = 0.0, light: float = 0.0, blink: Mapping[int, float] | None = None
) -> dict[int, NDArray[np.uint8]]:
    """Make frames from number 10 on, in which a patch moves down by `strengths` px, with drift, light and noise."""
    random, (y, x) = np.random.default_rng(0), np.mgrid[:112, :112].astype(np.float32)
    bump = np.exp(-((x - 35) ** 2 + (y - 80) ** 2) / 200)
    lids = np.exp(-((x - 56) ** 2 + (y - 30) ** 2) / 100)
    frames = {}
    for step, strength in enumerate(strengths):
        down = strength * bump - 6 * (blink or {}).get(step, 0.0) * lids
        image = cv2.remap(SKIN, x - drift_px * step, y + down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        noisy = image * (1 + light * step) + random.normal(0, 1.0, image.shape)
        frames[10 + step] = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return frames


def rise_and_fall(rest: int, rise: int, fall: int, after: int, height_px: float) -> list[float]:
    """Return still frames, a rise, a fall, and still frames. The apex is at rest + rise."""
    up = [height_px * step / rise for step in range(rise)]
    down = [height_px * (1 - step / fall) for step in range(fall + 1)]
    return [0.0] * rest + up + down + [0.0] * (after - 1)


@pytest.mark.parametrize(("rise", "fall"), [(4, 10), (10, 4)])
def test_the_apex_is_spotted_under_a_drifting_head_and_changing_light(rise: int, fall: int) -> None:
    frames = film(rise_and_fall(0, rise, fall, 1, 1.5), drift_px=0.1, light=0.01)
    assert abs(spot_apex(frames, FPS, 10, 10 + rise + fall, CONFIG) - (10 + rise)) <= 1


def test_colour_frames_give_the_same_apex_as_grey_frames() -> None:
    frames = film(rise_and_fall(0, 5, 5, 1, 1.5))
    colour = {number: np.repeat(frame[..., None], 3, axis=2) for number, frame in frames.items()}
    assert spot_apex(colour, FPS, 10, 20, CONFIG) == spot_apex(frames, FPS, 10, 20, CONFIG)


def test_frames_outside_the_interval_are_ignored() -> None:
    frames = film([*rise_and_fall(0, 5, 5, 1, 1.0), 2.0, 3.0])
    assert abs(spot_apex(frames, FPS, 10, 20, CONFIG) - 15) <= 1


def test_a_blink_is_not_the_apex_if_the_eyes_are_masked() -> None:
    blink = {step: max(0.0, 1 - abs(step - 12) / 3) for step in range(9, 16)}
    frames = film(rise_and_fall(0, 5, 10, 1, 1.5), blink=blink)
    assert abs(spot_apex(frames, FPS, 10, 25, CONFIG) - 22) <= 1
    skin = np.ones(frames[10].shape[:2], np.bool_)
    skin[0:60, 20:92] = False
    assert abs(spot_apex(frames, FPS, 10, 25, CONFIG, skin=skin) - 15) <= 1


def test_a_clip_without_onset_inner_frames_or_motion_is_refused() -> None:
    frames = film([0.0, 1.0, 0.0])
    with pytest.raises(DatasetError, match="frames 9–12"):
        spot_apex(frames, FPS, 9, 12, CONFIG)
    with pytest.raises(DatasetError, match="frames 10–11"):
        spot_apex(frames, FPS, 10, 11, CONFIG)
    with pytest.raises(DatasetError, match="frames 10–12"):
        spot_apex(dict.fromkeys((10, 11, 12), frames[10]), FPS, 10, 12, CONFIG)


def test_an_interval_in_a_raw_clip_is_given_by_its_frame_numbers() -> None:
    spotting = spot_interval(film(rise_and_fall(18, 4, 10, 18, 1.5), drift_px=0.05), FPS, CONFIG)
    assert abs(spotting.apex - 32) <= 1
    assert abs(spotting.onset - 28) <= 2
    assert abs(spotting.offset - 42) <= 2
    assert spotting.peaks[0] == spotting.apex
    assert spotting.numbers == tuple(range(10, 60))
    assert spotting.signal.shape == (50,)
    assert spotting.signal.argmax() == spotting.apex - 10
    assert spotting.threshold == pytest.approx(
        spotting.signal.mean() + 0.55 * (spotting.signal.max() - spotting.signal.mean())
    )


def test_a_film_of_variable_rate_is_spotted_by_the_times_of_its_frames() -> None:
    frames = film(rise_and_fall(18, 4, 10, 18, 1.5), drift_px=0.05)
    kept = {number: frame for number, frame in frames.items() if 28 <= number <= 42 or number % 3 == 0}
    seconds = {number: number / FPS for number in kept}
    mean_fps = (len(kept) - 1) / (seconds[max(kept)] - seconds[min(kept)])
    spotting = spot_interval(kept, mean_fps, CONFIG, seconds=seconds)
    assert len(spotting.numbers) == 1 + max(kept) - min(kept)
    assert abs(spotting.apex - 32) <= 1
    assert abs(spotting.onset - 28) <= 3
    assert abs(spotting.offset - 42) <= 3


def test_the_stronger_of_two_movements_is_spotted_and_the_other_is_listed() -> None:
    strengths = rise_and_fall(14, 4, 4, 22, 1.3) + rise_and_fall(0, 4, 4, 14, 1.8)
    spotting = spot_interval(film(strengths), FPS, CONFIG)
    assert abs(spotting.apex - 58) <= 1
    assert len(spotting.peaks) == 2
    assert abs(spotting.peaks[1] - 28) <= 1


@pytest.mark.parametrize("drift_px", [0.0, 0.05])
def test_a_face_at_rest_is_refused_even_if_the_head_drifts(drift_px: float) -> None:
    with pytest.raises(DatasetError, match=r"\d\.\d{3} px"):
        spot_interval(film([0.0] * 40, drift_px=drift_px), FPS, CONFIG)


def test_equal_frames_and_too_few_frames_are_refused() -> None:
    still = film([0.0])[10]
    with pytest.raises(DatasetError, match=r"\d\.\d{3} px"):
        spot_interval(dict.fromkeys(range(20), still), FPS, CONFIG)
    with pytest.raises(DatasetError, match=r"\b4 frames"):
        spot_interval(dict.fromkeys(range(4), still), FPS, CONFIG)


def test_a_movement_without_a_start_or_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moments that coincide are no movement. This happens in noise."""
    monkeypatch.setattr("microfacial.preprocessing.spotting._steps_to_rest", lambda *_: 0)
    with pytest.raises(DatasetError, match=r"frame 3[123]\b"):
        spot_interval(film(rise_and_fall(18, 4, 10, 18, 1.5)), FPS, CONFIG)


def test_a_movement_longer_than_a_micro_expression_is_not_spotted_but_a_weaker_short_one_is() -> None:
    talk = [2 + 1.5 * math.sin(0.9 * step) + math.sin(0.5 * step) for step in range(60)]
    talking = [0.0] * 45 + talk + [0.0] * 45
    with pytest.raises(DatasetError, match=r"0\.01\d px, .* 0\.01\d px"):
        spot_interval(film(talking), FPS, CONFIG)
    spotting = spot_interval(film([*talking, *rise_and_fall(10, 4, 4, 45, 1.5)]), FPS, CONFIG)
    assert abs(spotting.apex - (10 + 150 + 14)) <= 1


def test_spotting_is_deterministic() -> None:
    frames = film(rise_and_fall(12, 5, 5, 12, 1.5))
    first, second = (spot_interval(frames, FPS, CONFIG) for _ in range(2))
    assert np.array_equal(first.signal, second.signal)


def test_a_skin_mask_without_pixels_is_refused() -> None:
    still = dict.fromkeys(range(5), SKIN)
    with pytest.raises(DatasetError, match="skin"):
        spot_apex(still, FPS, 0, 4, CONFIG, skin=np.zeros(SKIN.shape, np.bool_))


def test_the_noise_of_a_clip_does_not_contain_the_movement_that_fills_it() -> None:
    moving, still = (
        measure_noise([FrameMotion(list(film(strengths).values()), CONFIG, None)])
        for strengths in (rise_and_fall(0, 9, 9, 1, 0.5), [0.0] * 19)
    )
    assert moving == pytest.approx(still, rel=0.4)
    assert 0.0 < still < 0.15


def test_a_first_frame_that_differs_from_all_others_is_no_movement() -> None:
    with pytest.raises(DatasetError, match="no clear start"):
        spot_interval(film([1.5] + [0.0] * 18), FPS, CONFIG)


def test_a_movement_that_fills_a_short_clip_is_compared_with_the_noise_of_single_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = film(rise_and_fall(1, 6, 7, 1, 1.5))
    monkeypatch.setattr("microfacial.preprocessing.spotting.measure_noise", lambda films: 0.001)
    assert abs(spot_interval(frames, FPS, CONFIG).apex - 17) <= 1
    long = film(rise_and_fall(18, 4, 10, 18, 0.0))
    with pytest.raises(DatasetError):  # a longer clip shows the face at rest, which is the better measure
        spot_interval(long, FPS, CONFIG)
