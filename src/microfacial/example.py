"""A clip to try a packed model on: synthetic, so that it may go wherever the model goes."""

import base64
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from microfacial.datasets.synthetic import DemoPlan, build_face, draw_identity, plan_clips, render_clip

_PLAN = DemoPlan(identities=1, clips_per_identity=1, others=0, frames=(7, 7), width_px=140)
_FPS = 200.0
_MAP_PX = 28


def example_clip() -> dict[str, Any]:
    """A synthetic face of seven frames as a row of a packed model's input: base64 of a video, and its moments."""
    (clip,) = plan_clips(_PLAN)
    frames = list(render_clip(_PLAN, clip, build_face(_PLAN, draw_identity(_PLAN, clip.subject))))
    height, width = frames[0].shape[:2]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "clip.avi"
        video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), _FPS, (width, height))
        for frame in frames:
            video.write(frame)
        video.release()
        content = path.read_bytes()
    moments = {"onset": 1, "apex": clip.apex - clip.onset + 1, "offset": len(frames)}
    return {"clip": base64.b64encode(content).decode(), **moments}


def example_map() -> dict[str, Any]:
    """A made-up flow map for a model of published maps: base64 of a picture, smooth noise of nobody's face."""
    noise = np.random.default_rng(0).uniform(0, 255, (_MAP_PX, _MAP_PX, 3)).astype(np.float32)
    picture = cv2.GaussianBlur(noise, (0, 0), 2.0).astype(np.uint8)
    return {"clip": base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode()}
