"""Rendered frames of a head in front of a wall."""

from dataclasses import replace

import cv2
import numpy as np

from microfacial.datasets.synthetic.camera import make_room_view
from microfacial.datasets.synthetic.clips import plan_clips
from microfacial.datasets.synthetic.faces import build_face
from microfacial.datasets.synthetic.people import DemoPlan, draw_person
from microfacial.datasets.synthetic.rendering import render_clip
from microfacial.records import Image


def render_room(width: float, height: float) -> list[Image]:
    plan = DemoPlan(identities=3, clips_per_identity=3, others=2, frames=(5, 6), width_px=140)
    clip = replace(plan_clips(plan)[0], drift=(8.0, 0.0, 0.0), bend=0.0, light=(0.0, 0.0, 0.0))
    view = make_room_view(width, height)
    return list(render_clip(plan, clip, build_face(plan, draw_person(plan, 1), view), view))


def test_the_head_moves_and_the_wall_behind_it_stays_still() -> None:
    frames = render_room(640, 480)
    assert frames[0].shape == (240, 320, 3)
    change = np.abs(frames[-1].astype(int) - frames[0].astype(int)).mean(axis=2)
    wall, head = change[:, :60], change[60:180, 110:210]
    assert wall.mean() < 3.0  # sensor noise
    assert head.mean() > 2 * wall.mean()


def test_the_wall_has_a_texture_and_surrounds_the_whole_head() -> None:
    frame = cv2.GaussianBlur(render_room(640, 480)[0].astype(np.float32), (0, 0), 3.0)
    edge = np.concatenate([frame[:4].reshape(-1, 3), frame[:, :60].reshape(-1, 3), frame[:, -60:].reshape(-1, 3)])
    assert 1.0 < edge.std() < 12.0
    assert np.abs(edge - edge.mean(axis=1, keepdims=True)).max() < 3.0  # grey
