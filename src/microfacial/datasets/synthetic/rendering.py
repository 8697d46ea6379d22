"""Render the frames that a camera records of a clip."""

from collections.abc import Iterator

import numpy as np

from microfacial.datasets.synthetic.camera import CROP, View, locate_pixels
from microfacial.datasets.synthetic.clips import DemoClip
from microfacial.datasets.synthetic.faces import draw_grain
from microfacial.datasets.synthetic.geometry import MIDLINE, displace, frame_to_head
from microfacial.datasets.synthetic.motion import elapsed_fraction, expression_strength, eyelid_drop, head_pose
from microfacial.datasets.synthetic.people import DemoPlan
from microfacial.datasets.synthetic.randomness import make_generator
from microfacial.records import FloatArray, Image


def render_clip(
    plan: DemoPlan, clip: DemoClip, face: FloatArray, view: View = CROP, *, extra_frames: int = 0
) -> Iterator[Image]:
    """Yield the frames of a clip from onset to offset, `(H, W, 3)` uint8, BGR.

    Args:
        plan: Plan of the data set.
        clip: Synthetic clip.
        face: Resting face of the clip's person, from `build_face` with the same plan and view.
        view: View of the camera.
        extra_frames: Number of frames to add before the onset, and again after the offset.
    """
    points = locate_pixels(plan, view)
    wall = _build_wall(plan, view, points) if view.room else None
    window = _find_head(points, view)
    inner = points[:, *window]
    expression, lids = displace(inner, clip.expression), displace(inner, clip.lids)
    rng = make_generator(clip.noise)
    for frame in range(clip.onset - extra_frames, clip.offset + extra_frames + 1):
        shift = expression_strength(clip, frame) * expression + eyelid_drop(clip, frame) * lids
        rest = frame_to_head(inner, head_pose(clip, frame))
        picture = _sample(face, rest - shift + view.margin, 2 * plan.unit)
        if wall is not None:
            cover = cover_head(rest)[..., None]
            scene = wall.copy()
            scene[window] = cover * picture + (1.0 - cover) * wall[window]
            picture = scene
        yield _expose(picture, points, clip, frame, rng, grey=view.grey)


def _find_head(points: FloatArray, view: View) -> tuple[slice, slice]:
    """Return the rows and columns of the frame that the head can reach. In a crop these are all of them."""
    if not view.room:
        return slice(None), slice(None)
    rows = np.flatnonzero((points[1, :, 0] > -116.0) & (points[1, :, 0] < 340.0))
    columns = np.flatnonzero((points[0, 0] > -60.0) & (points[0, 0] < 340.0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _sample(picture: FloatArray, points: FloatArray, step: float) -> FloatArray:
    """Return the colours `(H, W, 3)` of a picture at points `(2, H, W)`, by bilinear interpolation.

    The points are in face units from the upper left corner of the picture. `step` is its number of pixels per unit.
    """
    across, down = points * step
    across, down = np.clip(across, 0.0, picture.shape[1] - 2.0), np.clip(down, 0.0, picture.shape[0] - 2.0)
    column, row = np.floor(across), np.floor(down)
    right, low = (across - column)[..., None], (down - row)[..., None]
    flat, width = picture.reshape(-1, 3), picture.shape[1]
    first = (row * width + column).astype(np.int64)
    top = flat[first] * (1.0 - right) + flat[first + 1] * right
    bottom = flat[first + width] * (1.0 - right) + flat[first + width + 1] * right
    colours: FloatArray = top * (1.0 - low) + bottom * low
    return colours


def _build_wall(plan: DemoPlan, view: View, points: FloatArray) -> FloatArray:
    """Return the wall `(H, W, 3)` behind the head. It is grey, with soft blotches of about 20 face units."""
    corner = np.array([view.left, view.top])[:, None, None]
    blotches = draw_grain(make_generator(plan.seed, 0), (round(view.height / 10) + 3, round(view.width / 10) + 3))
    return _sample(150.0 + 3.0 * np.stack([blotches] * 3, axis=-1), points - corner, 0.1)


def cover_head(rest: FloatArray) -> FloatArray:
    """Return the share of the wall that the head hides.

    Args:
        rest: Points of the resting head, `(2, H, W)`, in face units.

    Returns:
        `(H, W)`, 0 to 1.
    """
    down = rest[1] - 112.0
    across, down = (rest[0] - MIDLINE) / np.maximum(160.0 - 0.22 * down, 1.0), down / 208.0  # wide hair, narrow jaw
    inside = np.clip((1.0 - (across * across + down * down)) / 0.14, 0.0, 1.0)
    cover: FloatArray = inside * inside * (3.0 - 2.0 * inside)
    return cover


def _expose(
    picture: FloatArray, points: FloatArray, clip: DemoClip, frame: int, rng: np.random.Generator, *, grey: bool
) -> Image:
    """Return the picture as the camera records it, with slowly changing light, sensor noise and whole grey levels."""
    time = elapsed_fraction(clip, frame)
    gain, right, down = (change * time * (2.0 - time) for change in clip.light)
    ramp = right * (points[0] - MIDLINE) / MIDLINE + down * (points[1] - 170.0) / 170.0
    raw = rng.integers(0, 256, (3, *picture.shape), dtype=np.uint8).astype(np.int64)
    noise = (raw[0] + raw[1] + raw[2] - 382) / 85.0  # 1.5 grey levels root mean square
    levels = np.floor(picture * (1.0 + gain) + ramp[..., None] + noise + 0.5)
    if grey:
        levels = np.stack(
            [np.floor(0.125 * levels[..., 0] + 0.5 * levels[..., 1] + 0.375 * levels[..., 2])] * 3, axis=-1
        )
    return np.clip(levels, 0.0, 255.0).astype(np.uint8)
