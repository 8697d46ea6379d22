"""A clip to try packed models on, synthetic, so that it may go wherever a model goes; and what a model costs on it."""

import base64
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from microfacial.datasets.synthetic.people import DemoPlan, build_face, draw_person, plan_clips, render_clip
from microfacial.inference.bundle import open_brought, pack_bytes, read_pack
from microfacial.inference.predict import TrainedModel
from microfacial.training.one_thread import one_thread

_PLAN = DemoPlan(identities=1, clips_per_identity=1, others=0, frames=(7, 7), width_px=140)
_FPS = 200.0
_MAP_PX = 28
_ROUNDS = 5  # of timing, after one that nobody counts


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a packed model costs: seconds from a clip to its probabilities, and bytes of weights."""

    seconds: float
    size: int


def example_clip() -> dict[str, Any]:
    """A synthetic face of seven frames as a row of a packed model's input: base64 of a video, and its moments."""
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
    return {"clip": base64.b64encode(content).decode(), **moments}


def example_map() -> dict[str, Any]:
    """A made-up flow map for a model of published maps: base64 of a picture, smooth noise of nobody's face."""
    noise = np.random.default_rng(0).uniform(0, 255, (_MAP_PX, _MAP_PX, 3)).astype(np.float32)
    picture = cv2.GaussianBlur(noise, (0, 0), 2.0).astype(np.uint8)
    return {"clip": base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode()}


def measure_costs(folders: Sequence[Path]) -> list[Cost]:
    """Seconds and bytes of packed models, timed in turns in this process on the same example, one thread each.

    Seconds are the median over rounds of the whole way from a video, or map, to probabilities.
    """
    models = [read_pack(folder) for folder in folders]
    seconds: list[list[float]] = [[] for _ in models]
    with one_thread():
        for _ in range(1 + _ROUNDS):
            for spent, model in zip(seconds, models, strict=True):
                spent.append(_time_clip(model))
    sizes = map(pack_bytes, folders)
    return [Cost(seconds=median(spent[1:]), size=size) for spent, size in zip(seconds, sizes, strict=True)]


def example_for(model: TrainedModel) -> dict[str, Any]:
    """A row of input for a model."""
    return example_map() if model.faces.method == "whole" else example_clip()


def _time_clip(model: TrainedModel) -> float:
    example = example_for(model)
    with open_brought(example.pop("clip")) as path:
        start = time.perf_counter()
        model.predict_clip(path, **example)
        return time.perf_counter() - start
