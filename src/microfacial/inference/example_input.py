"""Create synthetic example inputs for a served model. They show no real person, so they may be shared with a model."""

import base64
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

from microfacial.datasets.synthetic.clips import plan_clips
from microfacial.datasets.synthetic.faces import build_face
from microfacial.datasets.synthetic.people import DemoPlan, draw_person
from microfacial.datasets.synthetic.rendering import render_clip
from microfacial.inference.predict import TrainedModel

_PLAN = DemoPlan(identities=1, clips_per_identity=1, others=0, frames=(7, 7), width_px=140)
_FPS = 200.0
_MAP_PX = 28


def make_example_input(model: TrainedModel) -> dict[str, Any]:
    """Return an example input of the kind that a model reads: a video, or a flow map that others published.

    Args:
        model: a model of clips or of published flow maps.

    Returns:
        The result of `make_example_map` for a model of maps, and of `make_example_clip` otherwise.
    """
    return make_example_map() if model.faces.method == "whole" else make_example_clip()


def make_example_clip() -> dict[str, Any]:
    """Return a synthetic face in seven frames as one row of a served model's input.

    Returns:
        `clip`, a video as base64, and `onset`, `apex` and `offset`, its frame numbers.
    """
    return dict(_render_example())


@cache
def _render_example() -> Mapping[str, Any]:
    (clip,) = plan_clips(_PLAN)
    frames = list(render_clip(_PLAN, clip, build_face(_PLAN, draw_person(_PLAN, clip.subject))))
    height, width = frames[0].shape[:2]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "clip.avi"
        video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), _FPS, (width, height))
        for frame in frames:
            video.write(frame)
        video.release()
        content = path.read_bytes()
    moments = {"onset": 1, "apex": clip.apex - clip.onset + 1, "offset": len(frames)}
    return MappingProxyType({"clip": base64.b64encode(content).decode(), **moments})


def make_example_map() -> dict[str, Any]:
    """Return a flow map of smooth noise as one row of the input of a model of published maps.

    Returns:
        `clip`, a picture as base64.
    """
    noise = np.random.default_rng(0).uniform(0, 255, (_MAP_PX, _MAP_PX, 3)).astype(np.float32)
    picture = cv2.GaussianBlur(noise, (0, 0), 2.0).astype(np.uint8)
    return {"clip": base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode()}
