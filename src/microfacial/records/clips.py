"""Records of clips, and of the faces and the motion in them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import ConfigError

ApexSource = Literal["annotated", "midpoint", "spotted"]
FaceSource = Literal["landmarks", "template", "whole"]
FlowUnit = Literal["px", "stretched"]
Image = NDArray[np.uint8]
"""Pixels of an image: `(H, W, 3)` in BGR order, or `(H, W)` in grey."""

FloatArray = NDArray[np.float64]
Box = tuple[int, int, int, int]
"""A rectangle in aligned pixels: top, left, bottom, right. Bottom and right are exclusive."""

FRAME_NUMBER = re.compile(r"\{(?::0([0-9]{1,2})d)?\}")
"""Placeholder of the frame number in a path: `{}` without padding, `{:05d}` with zeros up to five digits."""

DEMO_CORPUS = "demo"
"""Corpus of synthetic clips in the layout of CASME II. In the layout of another corpus, it is demo-<corpus>."""

ONSET_APEX = "onset>apex"
PHASE_WINDOWS = ("onset>rise", "rise>apex", "apex>fall", "fall>offset")


def is_synthetic(corpus: str) -> bool:
    """Return whether the demo generator drew the clips of a corpus.

    Args:
        corpus: name of the corpus, as in `Clip.corpus`.
    """
    return corpus.partition("-")[0] == DEMO_CORPUS


def frame_path(frames: str, number: int) -> str:
    """Return the path of one frame.

    Args:
        frames: path with a placeholder for the frame number, `{}` or `{:05d}`. Returned unchanged if it has none.
        number: number of the frame.
    """
    return FRAME_NUMBER.sub(lambda match: str(number).zfill(int(match[1] or 0)), frames)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One annotated micro-expression. The record names the frames but does not load them.

    Attributes:
        corpus: name of the corpus. Synthetic clips have `demo` or `demo-<corpus>`.
        subject: id of the subject, unique in the corpus.
        name: id of the clip, unique among the clips of the subject.
        emotion: emotion in the annotators' words.
        label: class under the label scheme of the data set.
        action_units: action units in the annotators' notation; empty if none are annotated.
        frames: path below the root of the corpora. For images, a path with `{}` or `{:05d}` at the frame number. For a
            video, the path of the video.
        numbers: numbers of all frames on disk from onset to offset, ascending. The first frame of a video is number 1.
        onset: number of the frame where the movement starts.
        apex: number of the frame where the movement peaks.
        offset: number of the frame where the movement ends.
        apex_source: `annotated`, `midpoint` of onset and offset, or `spotted` in the frames.
        fps: frames per second of the camera.
        cropped: whether the release has cropped the frames to the face.
        digest: digest of the bytes of all frames; empty until it is computed.
        notes: changes to the annotation, separated by semicolons.
    """

    corpus: str
    subject: str
    name: str
    emotion: str
    label: str
    action_units: str
    frames: str
    numbers: tuple[int, ...]
    onset: int
    apex: int
    offset: int
    apex_source: ApexSource
    fps: float
    cropped: bool
    digest: str = ""
    notes: str = ""

    @property
    def id(self) -> str:
        """Corpus, subject and name, which together are unique in a data set."""
        return f"{self.corpus}/{self.subject}/{self.name}"

    @property
    def person(self) -> str:
        """Corpus and subject. Leave-one-subject-out tests on one person; subject ids are unique in a corpus only."""
        return f"{self.corpus}/{self.subject}"

    def frame(self, number: int) -> str:
        """Return the path of one frame below the root of the corpora.

        Args:
            number: number of the frame.
        """
        return frame_path(self.frames, number)


@dataclass(frozen=True, kw_only=True)
class Face:
    """Position of the face in one clip. It is located in the onset frame and holds for the whole clip.

    Attributes:
        clip: id of the clip.
        transform: similarity that maps frame pixels to aligned pixels, `(2, 3)` float64.
        boxes: one box per region of interest, in aligned pixels.
        source: how the face was located.
        confidence: confidence of the face detector, 0 to 1; None if no detector was used.
    """

    clip: str
    transform: NDArray[np.float64]
    boxes: tuple[Box, ...]
    source: FaceSource
    confidence: float | None


@dataclass(frozen=True, kw_only=True)
class FlowSequence:
    """Motion in one clip.

    A mouth corner that moves 2 px to the right has +2 in channel 0. The flow is 0 outside of the camera's frame.

    Attributes:
        clip: id of the clip.
        flow: motion over each window, float16. If `unit` is `px`, `(T, 2, H, W)` in aligned pixels: channel 0 is
            positive to the right, channel 1 is positive downwards. If `unit` is `stretched`, `(1, 3, H, W)` levels
            from 0 to 255 of a published map, with strain as channel 2.
        windows: names of the T windows, such as `onset>apex`.
        unit: `px`, or `stretched` for published maps.
    """

    clip: str
    flow: NDArray[np.float16]
    windows: tuple[str, ...]
    unit: FlowUnit


@dataclass(frozen=True, kw_only=True)
class FaceStore:
    """Crops, flow and regions of all clips of a data set. The arrays can be memory-mapped.

    Attributes:
        clips: ids of the N clips.
        crops: aligned onset and apex frames, `(N, 2, H, W, 3)` uint8, BGR.
        flow: motion, `(N, T, C, H, W)` float16; see `FlowSequence.flow`.
        windows: names of the T windows.
        unit: unit of the flow; see `FlowSequence.unit`.
        boxes: top, left, bottom and right of each region, `(N, R, 4)` int64, in the pixels of the crops.
        regions: names of the R regions.
    """

    clips: tuple[str, ...]
    crops: NDArray[np.uint8]
    flow: NDArray[np.float16]
    windows: tuple[str, ...]
    unit: FlowUnit
    boxes: NDArray[np.int64]
    regions: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check that every array has one row per clip.

        Raises:
            ConfigError: an array has another number of rows, or it is no NumPy array.
        """
        for name in ("crops", "flow", "boxes"):
            array = getattr(self, name)
            if not isinstance(array, np.ndarray):
                raise ConfigError(f"FaceStore: {name} must be a NumPy array, found {type(array).__name__}. Convert it")
            if array.shape[:1] != (len(self.clips),):
                raise ConfigError(
                    f"FaceStore: {name} has the shape {array.shape}, but there are {len(self.clips)} clips. Give it "
                    "one row per clip"
                )

    def find_difference(self, clips: Sequence[Clip]) -> str:
        """Return how other clips differ from those of the store, in words. Empty if they are the same, in order.

        Args:
            clips: the other clips.
        """
        ids = tuple(clip.id for clip in clips)
        if ids == self.clips:
            return ""
        other = sorted(set(self.clips) ^ set(ids))
        return f"{other[0]} is only in one of them" if other else "their order differs"
