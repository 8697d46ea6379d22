"""The true motion of a clip agrees with the stated action units and with the rendered frames."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from microfacial.datasets.synthetic.camera import CROP, View
from microfacial.datasets.synthetic.clips import DemoClip, plan_clips
from microfacial.datasets.synthetic.expressions import ACTION_UNITS
from microfacial.datasets.synthetic.faces import build_face
from microfacial.datasets.synthetic.motion import true_motion
from microfacial.datasets.synthetic.people import DemoPlan, Person, draw_person
from microfacial.datasets.synthetic.rendering import render_clip

PLAN = DemoPlan()


@pytest.fixture(scope="module")
def person() -> Person:
    return draw_person(PLAN, 1)


def quiet_clip(unit: int, *, drift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> DemoClip:
    """Return a clip in which only one action unit on the right of the picture moves, by one face unit."""
    none = (0.0, 0.0, 0.0)
    calm = replace(plan_clips(PLAN)[0], pose=none, drift=drift, bend=0.0, blink=None, light=none)
    return replace(calm, expression=ACTION_UNITS[unit])


@pytest.mark.parametrize(
    ("unit", "point", "right", "down"),
    [
        (12, (190, 220), 0.7, -0.7),
        (15, (189, 224), 0.1, 1.0),
        (1, (167, 92), 0.0, -1.0),
        (14, (190, 221), 1.0, 0.1),
    ],
)
def test_an_action_unit_moves_its_landmark_as_stated(
    unit: int, point: tuple[int, int], right: float, down: float
) -> None:
    x, y = point
    motion = true_motion(PLAN, quiet_clip(unit))
    assert motion.shape == (2, 340, 280)
    # The second bump of AU12 and the slope of the field add a little.
    np.testing.assert_allclose(motion[:, y, x], (right, down), atol=0.16)


def test_head_drift_is_part_of_the_truth_unless_it_is_excluded() -> None:
    clip = replace(quiet_clip(1, drift=(1.5, -1.0, 0.0)), expression=())
    share = (clip.apex - clip.onset) / (clip.offset - clip.onset)
    np.testing.assert_allclose(true_motion(PLAN, clip)[:, 170, 140], (1.5 * share, -1.0 * share), atol=1e-9)
    np.testing.assert_allclose(true_motion(PLAN, clip, head=False), 0.0, atol=1e-9)


def test_a_positive_half_tangent_turns_the_head_clockwise() -> None:
    clip = replace(quiet_clip(1, drift=(0.0, 0.0, 0.002)), expression=())
    motion = true_motion(PLAN, clip, clip.offset)
    assert motion[1, 170, 240] == pytest.approx(2 * 0.002 * 100, rel=1e-3)


def test_the_truth_maps_onset_pixels_to_apex_pixels(person: Person) -> None:
    """The rendered apex, warped back by the truth, is far closer to the rendered onset than without the warp."""
    clip = quiet_clip(12, drift=(1.2, -0.8, 0.002))
    frames = dict(enumerate(render_clip(PLAN, clip, build_face(PLAN, person)), clip.onset))
    onset, apex = frames[clip.onset].astype(np.float32), frames[clip.apex].astype(np.float32)
    motion = true_motion(PLAN, clip).astype(np.float32)
    y, x = np.indices(onset.shape[:2]).astype(np.float32)
    warped = cv2.remap(apex, x + motion[0], y + motion[1], cv2.INTER_CUBIC)
    inner = (slice(20, 320), slice(20, 260))
    residual, change = (cv2.GaussianBlur(image - onset, (0, 0), 1.5)[inner] for image in (warped, apex))
    assert np.abs(residual).mean() < 0.35 * np.abs(change).mean()


def test_a_room_view_shows_the_same_face_as_a_crop(person: Person) -> None:
    plan, room = replace(PLAN, width_px=140), View(left=-20, top=-10, width=320, height=380, room=True)
    long = quiet_clip(12, drift=(1.2, -0.8, 0.002))
    clip = replace(long, apex=long.onset + 2, offset=long.onset + 4)
    np.testing.assert_array_equal(true_motion(plan, clip, view=room)[:, 5:175, 10:150], true_motion(plan, clip))
    crops, scenes = (render_clip(plan, clip, build_face(plan, person, view), view) for view in (CROP, room))
    for crop, scene in zip(crops, scenes, strict=True):
        # Noise and pores differ, because they depend on the size of the picture.
        near, far = (cv2.GaussianBlur(image.astype(np.float32), (0, 0), 3) for image in (crop, scene))
        same, shifted = (np.abs(near - far[5:175, left : left + 140])[30:140, 30:110].mean() for left in (10, 11))
        assert same < 0.8
        assert shifted > 1.5 * same


def test_amplitudes_are_those_of_micro_expressions() -> None:
    """At the aligned scale, where 280 px become 224, the strongest motion of a clip is 0.4 to 2 px."""
    coarse = replace(PLAN, width_px=56)  # every fifth pixel, and a fifth of the motion
    clips = [replace(clip, blink=None) for clip in plan_clips(PLAN) if clip.emotion != "others"]
    peaks = [0.8 * 5 * np.abs(true_motion(coarse, clip, head=False)).max() for clip in clips]
    assert min(peaks) > 0.4
    assert max(peaks) < 2.0
    assert 0.6 < np.median(peaks) < 1.4
