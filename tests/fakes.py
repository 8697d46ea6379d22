"""Clips, images and settings for tests."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.evaluation.experiment import Data
from microfacial.evaluation.protocols import TrainConfig
from microfacial.files import read_json
from microfacial.preprocessing.clip_digests import array_digest, write_digests
from microfacial.preprocessing.flow import FlowConfig
from microfacial.preprocessing.stage_settings import write_stage_settings
from microfacial.records import ONSET_APEX, Clip, FaceStore

ROOT = Path(__file__).parent.parent
CASME2_HEADER = ["Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "Action Units"]
Row = tuple[str, str, int, int | str, int, int | str, str]
WriteCasme2 = Callable[[Sequence[Row]], Path]
WriteMaps = Callable[[dict[str, int]], Path]

TINY_PARAMS = """
clips: {name: tiny, root: data, corpora: [demo], scheme: casme2-4}
faces: {method: landmarks, regions: mission, size_px: 56}
flow: {method: variational, head_motion: similarity-twice, variational: {levels: 2}}
train: {protocol: loso, seed: 0, validation_folds: 3, bootstrap_draws: 100}
models:
  majority: {}
  linear_svm: {input_px: 14, c_values: [0.001, 0.01], inner_folds: 2}
  roi_cnn: {input_px: 16, widths: [8, 8, 8, 8], epochs: 3, patience: 3}
report: {hardest_clips: 3}
"""


def make_clip(**changes: Any) -> Clip:
    """Return a clip with frames 1 to 9 and apex 5, with some fields changed."""
    fields: dict[str, Any] = {
        "corpus": "c",
        "subject": "s",
        "name": "n",
        "emotion": "e",
        "label": "e",
        "action_units": "",
        "frames": "{}.jpg",
        "numbers": tuple(range(1, 10)),
        "onset": 1,
        "apex": 5,
        "offset": 9,
        "apex_source": "annotated",
        "fps": 200.0,
        "cropped": True,
    }
    return Clip(**{**fields, **changes})


def texture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return a smooth random image, `(H, W, 3)` uint8, whose motion flow can measure."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    stretched = cv2.normalize(smooth, np.empty(0), 20, 235, cv2.NORM_MINMAX)
    return np.repeat(stretched[..., None], 3, axis=2).astype(np.uint8)


def touch_frames(folder: Path, form: str, numbers: Iterable[int]) -> None:
    """Write empty frames, because readers use the names only. `form` is a name such as `006_{:05d}.jpg`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / form.format(number)).touch()


def make_data(subjects: int = 8, clips_each: int = 4, *, size_px: int = 14, **protocol: Any) -> Data:
    """Return data with subjects s00, s01, … of one corpus. Faces move right for class x and down for class y."""
    random = np.random.default_rng(0)
    clips = tuple(
        make_clip(corpus="c", subject=f"s{subject:02d}", name=f"{number}", label="xy"[number % 2])
        for subject in range(subjects)
        for number in range(clips_each)
    )
    flow = random.normal(size=(len(clips), 1, 2, size_px, size_px)).astype(np.float16)
    for row, clip in enumerate(clips):
        flow[row, 0, "xy".index(clip.label)] += 0.7
    store = FaceStore(
        clips=tuple(clip.id for clip in clips),
        crops=np.zeros((len(clips), 2, size_px, size_px, 3), dtype=np.uint8),
        flow=flow,
        windows=(ONSET_APEX,),
        unit="px",
        boxes=np.tile(np.array([[0, 0, 7, 14], [7, 0, 14, 14]], dtype=np.int64), (len(clips), 1, 1)),
        regions=("eyes", "mouth"),
    )
    config = TrainConfig(**{"bootstrap_draws": 100, **protocol})
    return Data(store=store, clips=clips, classes=("x", "y"), protocol=config)


def take_clips(store: FaceStore, count: int) -> FaceStore:
    """Return a store with the first clips of another."""
    return replace(
        store,
        clips=store.clips[:count],
        crops=store.crops[:count],
        flow=store.flow[:count],
        boxes=store.boxes[:count],
    )


def replace_flow(path: Path, flow: NDArray[np.float16]) -> None:
    """Replace the flow of all clips as if the stage had computed it."""
    np.save(path, flow)
    clips = read_json(path.with_name("index.json"))["clips"]
    write_digests(path.parent, {clip: array_digest(rows) for clip, rows in zip(clips, flow, strict=True)})
    settings = path.parents[1] / "settings" / "flow.json"
    if settings.exists():
        write_stage_settings(path.parents[1], "flow", FlowConfig(**read_json(settings)["settings"]))
