"""Follow a face through raw footage, and align each frame to it.

The footage is cut into parts. In each part the same head is in the frame without a jump or a fast movement, so the
motion that is left after alignment is motion of the skin. Frames without a face, or with a face that is partly outside,
are in no part.

Each frame is aligned to the first frame of its run (`head_run`). The networks search the whole frame if the face is
lost.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.frames import Footage, stream_clip
from microfacial.errors import NoFaceError
from microfacial.preprocessing.aligned_frames import locate_clip
from microfacial.preprocessing.alignment import place_distance, place_face
from microfacial.preprocessing.frame_spool import FrameSpool
from microfacial.preprocessing.head_run import RUN_SIZE_PX, HeadRun, fill_depth, follow_run, start_run
from microfacial.records import FloatArray, Image

CHECK_S = 0.4  # time after which the networks confirm the face
SEARCH_S = 0.1  # time after which a lost face is searched again
FAST = 0.2  # of the square's side per second: from this speed on, the head's motion hides the skin's
SPEED_S = 0.1  # time over which the speed is measured


@dataclass(frozen=True, kw_only=True)
class TrackedPart:
    """Frames in which one head moves slowly or not at all.

    Attributes:
        numbers: numbers of the frames, ascending.
        frames: the frames on the aligned square, each `(S, S)` uint8, grey. They are read from disk when they are used.
        skin: pixels that are skin in all of the frames, `(S, S)` bool.
        depth: distance of each pixel from the camera in px, `(S, S)` float32, with any zero.
        points: landmarks on the aligned square, `(468, 2)` float64 in px.
    """

    numbers: tuple[int, ...]
    frames: FrameSpool
    skin: NDArray[np.bool_]
    depth: NDArray[np.float32]
    points: FloatArray


@dataclass(frozen=True, kw_only=True)
class FaceTrack:
    """A face that was followed through footage.

    Attributes:
        parts: parts with a face, in order of time.
        numbers: numbers of all frames of the footage, ascending.
        faces: largest number of faces among the frames in which the face was searched.
    """

    parts: tuple[TrackedPart, ...]
    numbers: tuple[int, ...]
    faces: int


@dataclass(kw_only=True)
class _Run:
    """A run of frames.

    Attributes:
        head: the head that is followed.
        start: index of the first frame among the frames of all runs.
        numbers: numbers of the frames.
        transforms: similarity from each frame to the aligned square, `(2, 3)`.
    """

    head: HeadRun
    start: int
    numbers: list[int] = field(default_factory=list)
    transforms: list[FloatArray] = field(default_factory=list)


def track_face(footage: Footage, root: Path, fps: float) -> FaceTrack:
    """Follow the face through all frames of footage.

    Args:
        footage: clip or recording.
        root: folder below which the paths of the footage lie.
        fps: frames per second.

    Returns:
        The parts of the footage with a face.

    Raises:
        NoFaceError: No frame shows a face.
        DatasetError: A frame is missing or unreadable, or its size differs from the first frame's.
    """
    tracker = _Tracker(fps)
    for number, frame in stream_clip(footage, root, footage.numbers):
        tracker.add(number, frame)
    if not tracker.runs:
        raise NoFaceError(
            f"{locate_clip(root, footage.frames)}: no face was found in frames {footage.numbers[0]}–"
            f"{footage.numbers[-1]}. Crop them to the face, or use a clip that shows one"
        )
    parts = tuple(part for run in tracker.runs for part in _split(run, tracker.frames, fps))
    return FaceTrack(
        parts=parts, numbers=tuple(footage.numbers), faces=max(run.head.face.faces for run in tracker.runs)
    )


def describe_choice(faces: int) -> str:
    """Return a sentence for the user about the face that was chosen among several.

    Args:
        faces: number of faces in the frame.
    """
    return (
        f"{faces} faces are in the picture. The largest is used, or the one in the middle if they are alike in size. "
        "To use another face, crop the frames to it"
    )


class _Tracker:
    """Adds frames one by one, and starts a new run whenever the face is lost and found again."""

    def __init__(self, fps: float) -> None:
        self.runs: list[_Run] = []
        self.frames = FrameSpool()  # aligned frames of all runs
        self._run: _Run | None = None
        self._check, self._search = (max(1, round(seconds * fps)) for seconds in (CHECK_S, SEARCH_S))
        self._since = 0  # frames since the last check or search

    def add(self, number: int, frame: Image) -> None:
        """Align a frame to the current run, or start a new run with it if it shows the face elsewhere."""
        self._since += 1
        if self._run is not None:
            if self._follow(self._run, number, frame):
                return
            self._run, self._since = None, self._search
        if not self.runs or self._since >= self._search:
            self._since = 0
            self._start(number, frame)

    def _start(self, number: int, frame: Image) -> None:
        face = place_face(frame, RUN_SIZE_PX)
        head = None if face is None else start_run(frame, face)
        if head is not None:
            self._run = _Run(head=head, start=len(self.frames))
            self.runs.append(self._run)
            self._add(self._run, number, head.first)

    def _follow(self, run: _Run, number: int, frame: Image) -> bool:
        """Align a frame to the first frame of a run. Return False if the face is not there."""
        confirm = self._since >= self._check
        if confirm:
            self._since = 0
        aligned = follow_run(run.head, frame, confirm=confirm)
        if aligned is not None:
            self._add(run, number, aligned)
        return aligned is not None

    def _add(self, run: _Run, number: int, aligned: Image) -> None:
        run.numbers.append(number)
        run.transforms.append(run.head.transform)
        self.frames.append(aligned)


def _split(run: _Run, frames: FrameSpool, fps: float) -> Iterator[TrackedPart]:
    """Yield the parts of a run in which the head is slow."""
    slow, depth = _find_slow(run.transforms, fps), fill_depth(run.head.face)
    for is_slow, group in groupby(range(len(slow)), key=slow.__getitem__):
        rows = list(group)
        if is_slow:
            yield TrackedPart(
                numbers=tuple(run.numbers[row] for row in rows),
                frames=frames[run.start + rows[0] : run.start + rows[-1] + 1],
                skin=run.head.skin & run.head.visible,
                depth=depth,
                points=run.head.face.points,
            )


def _find_slow(transforms: Sequence[FloatArray], fps: float) -> list[bool]:
    """Return for each frame whether the head is slow while it is recorded."""
    steps = max(1, round(SPEED_S * fps))
    limit = FAST * RUN_SIZE_PX * steps / fps
    slow = np.ones(len(transforms), np.bool_)
    for row, transform in enumerate(transforms[:-1]):
        later = min(row + steps, len(transforms) - 1)
        if place_distance(transform, transforms[later], RUN_SIZE_PX) > limit:
            slow[row : later + 1] = False
    return slow.tolist()
