"""A clip that anyone brings → what a model sees of it, by the same steps as in training; and models to show it to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from microfacial import files
from microfacial.datasets import frames
from microfacial.datasets.frames import Recording, open_clip
from microfacial.errors import ConfigError, DatasetError
from microfacial.evaluation import result_files as outcomes
from microfacial.models import MODELS, Task
from microfacial.models.presets import find_network, resolve
from microfacial.preprocessing import regions as rois
from microfacial.preprocessing.aligned_frames import read_aligned_frames
from microfacial.preprocessing.alignment import mean_face
from microfacial.preprocessing.faces import FacesConfig, align, locate, region_names
from microfacial.preprocessing.flow import WINDOWS, FlowConfig, compute_clip_flow, key_frames
from microfacial.preprocessing.spotting import spot_apex, spot_interval
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, Clip, FaceStore, Fitted
from microfacial.settings import Section, check
from microfacial.training.fit import restore

_BROUGHT = "recording"  # stands for the corpus of a clip that is of none


class HybridInputs(NamedTuple):
    """What the hybrid sees of one clip: `apex` `(1, R, C, s, s)` is onset→apex, `windows` is `(1, T, R, C, s, s)`.

    float32, px of the aligned square. T is 4, or fewer windows of which onset→apex itself is the first: 2 with one a
    phase, 1 where there is no offset.
    """

    apex: Tensor
    windows: Tensor

    def join(self) -> Tensor:
        """All windows as the network takes them, onset→apex once and first: `(1, 1 + T, R, C, s, s)` if T is 4.

        A hybrid without a graph takes `windows` as they are.
        """
        if self.windows.shape[1] < len(PHASE_WINDOWS):
            return self.windows
        return torch.cat([self.apex[:, None], self.windows], dim=1)


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """What was trained of one variant, and the settings that clips are read by to show to it.

    `shape` is that of one sample. Where `fitted` holds several, such as the folds of a protocol, they predict their
    mean.
    """

    model: str
    classes: tuple[str, ...]
    settings: Section
    faces: FacesConfig
    flow: FlowConfig
    shape: tuple[int, ...]
    fitted: tuple[Fitted, ...]

    def predict_clip(
        self,
        path: Path | str,
        onset: int | None = None,
        apex: int | None = None,
        offset: int | None = None,
        *,
        fps: float | None = None,
    ) -> dict[str, float]:
        """Probability of each class for one clip, which is read as the training clips were; see `read_clip`.

        A model of published maps takes the picture of a map, which has no moments.

        Raises:
            DatasetError: as `read_clip`, or the model wants windows that the clip lacks.
        """
        if self.faces.method == "whole":
            store = read_map(path, faces=self.faces, flow=self.flow)
        else:
            store = read_clip(path, onset, apex, offset, fps=fps, faces=self.faces, flow=self.flow)
        inputs = MODELS[self.model].make_inputs(store, self.settings).values
        if inputs.shape[1:] != self.shape:
            raise DatasetError(
                f"{path}: inputs are {inputs.shape[1:]}, but {self.model} was trained on {self.shape}. "
                "Give an offset too: without one there is motion of onset→apex alone"
            )
        chances = np.mean([one.predict(inputs)[0] for one in self.fitted], axis=0)
        return dict(zip(self.classes, chances.tolist(), strict=True))


def load_fold(path: Path | str) -> TrainedModel:
    """The model of one fold, from its file in `train/<model>/checkpoints/`; `train.checkpoints` has them kept.

    Raises:
        StorageError: the file, or one beside it, is missing or damaged.
        ConfigError: another version of microfacial wrote it.
    """
    folder = Path(path).parent.parent
    where = folder / "settings.json"
    content = files.read_json(where)
    classes = outcomes.read_evaluation(folder).classes
    return restore_model(content, classes, [files.read_arrays(Path(path))], where)


def restore_model(
    trained_with: Mapping[str, Any],
    classes: tuple[str, ...],
    checkpoints: Sequence[Mapping[str, NDArray[Any]]],
    where: Path,
) -> TrainedModel:
    """A model from what its checkpoints hold, and the settings that the `train` stage wrote beside them.

    Args:
        trained_with: sections `faces`, `flow` and `models`, with one model.
        where: the file that they were read from, for messages.

    Raises:
        ConfigError: another version of microfacial wrote the settings.
    """
    ((model, own),) = trained_with["models"].items()
    if model not in MODELS:
        raise ConfigError(f"{where}: models.{model} is not a model; known are {', '.join(MODELS)}")
    settings = check(own, MODELS[model].settings, f"{where}: models.{model}")
    return TrainedModel(
        model=model,
        classes=classes,
        settings=settings,
        faces=check(trained_with["faces"], FacesConfig, f"{where}: faces"),
        flow=check(trained_with["flow"], FlowConfig, f"{where}: flow"),
        shape=tuple(checkpoints[0]["shape"].tolist()),
        fitted=tuple(restore(model, settings, arrays) for arrays in checkpoints),
    )


def create_model(
    name: str, *, shape: tuple[int, ...] | None = None, classes: int = 4, preset: str = "default", **settings: Any
) -> nn.Module:
    """An untrained network of a variant, with torch's global random numbers.

    Args:
        name: a key of `MODELS`, such as `roi_cnn`.
        shape: of one sample, as the variant's inputs have it; that of the demo's clips if None.
        settings: keys of `models.<name>` in params.yaml.

    Raises:
        ConfigError: there is no such network, preset or key, or a value is wrong.
    """
    network = find_network(name)
    chosen = resolve(name, {"preset": preset, **settings}, name)
    inputs = network.make_inputs(_still_face(), chosen)
    regions = len(inputs.mirror)
    task = Task(
        shape=shape or inputs.values.shape[1:],
        classes=classes,
        co_occurrence=np.zeros((regions, regions), np.float32),
    )
    return network.build(task, chosen)


def read_clip(
    path: Path | str,
    onset: int | None = None,
    apex: int | None = None,
    offset: int | None = None,
    *,
    fps: float | None = None,
    faces: FacesConfig | None = None,
    flow: FlowConfig | None = None,
) -> FaceStore:
    """Crops, flow and regions of one clip, located and measured as those of a data set are.

    What is not given is spotted: all three moments, or the apex between onset and offset. With onset and apex alone
    there is flow of onset→apex alone.

    Args:
        path: a video, whose first frame is number 1, or a folder of frames, which have numbers in their names.
        onset: number of the frame before the movement; `apex` and `offset` of those where it peaks and ends.
        fps: frames a second, which spotting must know; a video's own if None.
        faces: how the face is located; by default as in the package's params.yaml. `flow` likewise.

    Raises:
        DatasetError: frames are missing or unreadable, show no face or no movement, or have another order.
        ConfigError: the settings are those of published maps, which have no frames.
    """
    faces, flow = faces or FacesConfig(), flow or FlowConfig()
    if faces.method == "whole" or flow.method == "published":
        raise ConfigError(f"{path}: faces.method whole and flow.method published are for maps. A clip needs others")
    recording = open_clip(Path(path))
    if onset is None or apex is None:
        onset, apex, offset = _spot(recording, onset, apex, offset, fps)
    clip = _as_clip(recording, onset, apex, offset)
    store = _measure(clip, recording.root, faces, flow)
    return store if offset is not None else _keep_onset_apex(store)


def read_map(path: Path | str, *, faces: FacesConfig, flow: FlowConfig) -> FaceStore:
    """A published flow map, the picture of one clip's motion, as those of a data set are read.

    Raises:
        DatasetError: the picture is missing, unreadable or not square.
    """
    path = Path(path)
    only = 0
    clip = _describe(Recording(root=path.parent, frames=path.name, numbers=(only,), fps=None), only, only, only)
    return _measure(clip, path.parent, faces, flow)


def hybrid_inputs(
    path: Path | str,
    onset: int | None = None,
    apex: int | None = None,
    offset: int | None = None,
    *,
    fps: float | None = None,
    preset: str = "default",
    **settings: Any,
) -> HybridInputs:
    """What the hybrid sees of one clip, in px: not yet divided by the scale that a trained fold brings.

    Args:
        path: as for `read_clip`, and so are `onset`, `apex`, `offset` and `fps`.
        settings: keys of `models.hybrid` in params.yaml.

    Raises:
        ConfigError: there is no such preset or key, or a value is wrong.
        DatasetError: as `read_clip`.
    """
    chosen = resolve("hybrid", {"preset": preset, **settings}, "hybrid")
    store = read_clip(path, onset, apex, offset, fps=fps)
    inputs = MODELS["hybrid"].make_inputs(store, chosen.model_copy(update={"graph": True}))  # else without onset→apex
    seen = torch.from_numpy(inputs.values)  # (1, W, R, C, s, s)
    return HybridInputs(apex=seen[:, 0], windows=seen[:, 1:] if inputs.windows[1:] == PHASE_WINDOWS else seen)


def _spot(
    recording: Recording, onset: int | None, apex: int | None, offset: int | None, fps: float | None
) -> tuple[int, int, int]:
    """The moments that a recording shows; onset and offset are kept where both are given."""
    where = recording.root / recording.frames
    known = fps or recording.fps
    if known is None:
        raise DatasetError(f"{where}: the frame rate is unknown, and spotting needs it. Give fps, or onset and apex")
    if apex is not None or (onset is None) != (offset is None):
        raise DatasetError(f"{where}: what is to be spotted? Give onset and apex, onset and offset, or none of them")
    if onset is not None and offset is not None:
        between = [number for number in recording.numbers if onset <= number <= offset]
        watched, skin = read_aligned_frames(recording, recording.root, between)
        return onset, spot_apex(watched, known, onset, offset, skin=skin), offset
    watched, skin = read_aligned_frames(recording, recording.root, recording.numbers)
    found = spot_interval(watched, known, skin=skin)
    return found.onset, found.apex, found.offset


def _as_clip(recording: Recording, onset: int, apex: int, offset: int | None) -> Clip:
    """A clip of no corpus. Without an offset it ends with its apex."""
    end = apex if offset is None else offset
    where = recording.root / recording.frames
    for number in (onset, apex, end):
        if number not in recording.numbers:
            raise DatasetError(f"{where} has no frame {number}: it has {recording.numbers[0]}–{recording.numbers[-1]}")
    if not onset < apex <= end:
        raise DatasetError(
            f"{where}: onset {onset}, apex {apex} and offset {end} must follow one another. Correct them"
        )
    return _describe(recording, onset, apex, end)


def _describe(recording: Recording, onset: int, apex: int, offset: int) -> Clip:
    return Clip(
        corpus=_BROUGHT,
        subject=recording.root.name,
        name=recording.frames,
        emotion="",
        label="",
        action_units="",
        frames=recording.frames,
        numbers=recording.numbers,
        onset=onset,
        apex=apex,
        offset=offset,
        apex_source="annotated",
        fps=recording.fps or 0.0,
        cropped=False,
    )


def _measure(clip: Clip, root: Path, faces: FacesConfig, flow: FlowConfig) -> FaceStore:
    """Locate the face of one clip and compute its flow, as the stages `faces` and `flow` do."""
    regions = region_names(faces)
    shown = frames.read_frames(clip, root, key_frames(clip))
    face = locate(clip, shown[clip.onset], faces)
    motion = compute_clip_flow(clip, face, shown, faces.size_px, flow)
    return FaceStore(
        clips=(clip.id,),
        crops=np.stack([align(shown[number], face, faces.size_px) for number in (clip.onset, clip.apex)])[None],
        flow=motion.flow[None],
        windows=motion.windows,
        unit=motion.unit,
        boxes=np.array([face.boxes], dtype=np.int64),
        regions=regions,
    )


def _keep_onset_apex(store: FaceStore) -> FaceStore:
    row = store.windows.index(ONSET_APEX)
    return replace(store, flow=store.flow[:, row : row + 1], windows=(ONSET_APEX,))


def _still_face() -> FaceStore:
    """A clip of the mean face without colour or motion: it has the shapes of any clip by the default settings."""
    config = FacesConfig()
    side = config.size_px
    return FaceStore(
        clips=("",),
        crops=np.zeros((1, 2, side, side, 3), np.uint8),
        flow=np.zeros((1, len(WINDOWS), 2, side, side), np.float16),
        windows=WINDOWS,
        unit="px",
        boxes=np.array([rois.face_boxes(config.regions, mean_face(side), side)], dtype=np.int64),
        regions=region_names(config),
    )
