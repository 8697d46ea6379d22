"""Follow a face through raw footage, and align each frame to it.

The footage is cut into parts. In each part the same head is in the frame without a jump or a fast movement, so the
motion that is left after alignment is motion of the skin. Frames without a face, or with a face that is partly outside,
are in no part.

Each frame is aligned to the first frame of its run, so errors do not add up. Optical flow follows points on the skin,
and the similarity that most of them follow is the motion of the head. The networks confirm the face regularly. They
search the whole frame if the face is lost.

Source: Lucas and Kanade, IJCAI 1981 (points are followed); Rousseeuw, J. Am. Stat. Assoc. 1984,
doi:10.1080/01621459.1984.10477105 (least median of squares).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator

from microfacial.datasets.frames import Footage, stream_clip
from microfacial.errors import DatasetError, NoFaceError
from microfacial.preprocessing.aligned_frames import find_skin
from microfacial.preprocessing.alignment import (
    PlacedFace,
    covered_pixels,
    follow_face,
    place_distance,
    place_face,
    warp_to_grey,
)
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.frame_spool import FrameSpool
from microfacial.preprocessing.portable import portable_opencv, round_similarity
from microfacial.preprocessing.similarity import chain_similarities, fit_robust_similarity, invert_similarity
from microfacial.records import FloatArray, Image

_SIZE_PX = FacesConfig().size_px
_POINT_STEP_PX = 10  # distance of the points that are followed
_LEAST_POINTS = 12  # that optical flow must follow in a frame
_FINE_PX, _COARSE_PX = 2.0, 8.0  # the fine structure of a frame is the difference of two Gaussians
_LEAST_LIKENESS = 0.6  # correlation of the skin with that of the first frame; below, the face is lost
_LEAST_COVERED = 0.95  # share of the skin that must lie in the frame
_CHECK_S = 0.4  # time after which the networks confirm the face
_SEARCH_S = 0.1  # time after which a lost face is searched again
_JUMP = 0.08  # of the square's side: the networks find the face this far from where it was followed
_FAST = 0.2  # of the square's side per second: from this speed on, the head's motion hides the skin's
_SPEED_S = 0.1  # time over which the speed is measured


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
    """A run of frames that are aligned to the same first frame.

    Attributes:
        face: the face in the first frame.
        skin: pixels that are skin in the first frame, `(S, S)`.
        visible: pixels that all of the frames show, `(S, S)`.
        first: the first frame on the aligned square, `(S, S)` uint8, grey.
        start: index of the first frame among the frames of all runs.
        numbers: numbers of the frames.
        transforms: similarity from each frame to the aligned square, `(2, 3)`.
    """

    face: PlacedFace
    skin: NDArray[np.bool_]
    visible: NDArray[np.bool_]
    first: Image
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
            f"{root / footage.frames}: no face was found in frames {footage.numbers[0]}–{footage.numbers[-1]}. Crop "
            "them to the face, or use a clip that shows one"
        )
    parts = tuple(part for run in tracker.runs for part in _split(run, tracker.frames, fps))
    return FaceTrack(parts=parts, numbers=tuple(footage.numbers), faces=max(run.face.faces for run in tracker.runs))


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
        self._check, self._search = (max(1, round(seconds * fps)) for seconds in (_CHECK_S, _SEARCH_S))
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
        face = place_face(frame, _SIZE_PX)
        if face is None:
            return
        try:
            skin = find_skin(face.points, _SIZE_PX)
        except DatasetError:  # a region is off the square, so these points are no face
            return
        covered = covered_pixels(frame, face.transform, _SIZE_PX)
        if covered[skin].mean() >= _LEAST_COVERED:
            aligned = warp_to_grey(frame, face.transform, _SIZE_PX)
            self._run = _Run(face=face, skin=skin & covered, visible=covered, first=aligned, start=len(self.frames))
            self.runs.append(self._run)
            self._add(self._run, number, aligned, face.transform)

    def _follow(self, run: _Run, number: int, frame: Image) -> bool:
        """Align a frame to the first frame of a run. Return False if the face is not there."""
        transform = _register(run, frame)
        if transform is None:
            return False
        covered, aligned = covered_pixels(frame, transform, _SIZE_PX), warp_to_grey(frame, transform, _SIZE_PX)
        if covered[run.skin].mean() < _LEAST_COVERED or _likeness(run, aligned) < _LEAST_LIKENESS:
            return False
        if self._since >= self._check:
            self._since = 0
            face = follow_face(frame, run.face, transform, _SIZE_PX)
            if face is None or place_distance(transform, face.transform, _SIZE_PX) > _JUMP * _SIZE_PX:
                return False
        self._add(run, number, aligned, transform)
        run.visible &= covered
        return True

    def _add(self, run: _Run, number: int, aligned: Image, transform: FloatArray) -> None:
        run.numbers.append(number)
        run.transforms.append(transform)
        self.frames.append(aligned)


@portable_opencv()
def _register(run: _Run, frame: Image) -> FloatArray | None:
    """Return the similarity that aligns a frame to the first frame of a run. Return None if too few points agree."""
    rows, columns = np.mgrid[0:_SIZE_PX:_POINT_STEP_PX, 0:_SIZE_PX:_POINT_STEP_PX]
    used = run.skin[rows, columns]
    points = np.stack([columns[used], rows[used]], axis=-1).astype(np.float32)
    last = run.transforms[-1]
    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        run.first, warp_to_grey(frame, last, _SIZE_PX), points, np.empty_like(points)
    )
    followed = status.ravel() > 0
    if followed.sum() < max(_LEAST_POINTS, 0.5 * len(points)):
        return None
    head = fit_robust_similarity(points[followed], moved[followed])
    return round_similarity(chain_similarities(last, invert_similarity(head)))


@portable_opencv()
def _likeness(run: _Run, frame: Image) -> float:
    """Return the correlation of the skin's fine structure with that of the run's first frame, -1 to 1."""
    first, second = (
        (cv2.GaussianBlur(grey, (0, 0), _FINE_PX) - cv2.GaussianBlur(grey, (0, 0), _COARSE_PX))[run.skin]
        for grey in (run.first.astype(np.float32), frame.astype(np.float32))
    )
    norm = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / norm if norm else 0.0


def _split(run: _Run, frames: FrameSpool, fps: float) -> Iterator[TrackedPart]:
    """Yield the parts of a run in which the head is slow."""
    slow, depth = _find_slow(run.transforms, fps), _fill_depth(run.face)
    for is_slow, group in groupby(range(len(slow)), key=slow.__getitem__):
        rows = list(group)
        if is_slow:
            yield TrackedPart(
                numbers=tuple(run.numbers[row] for row in rows),
                frames=frames[run.start + rows[0] : run.start + rows[-1] + 1],
                skin=run.skin & run.visible,
                depth=depth,
                points=run.face.points,
            )


def _find_slow(transforms: Sequence[FloatArray], fps: float) -> list[bool]:
    """Return for each frame whether the head is slow while it is recorded."""
    steps = max(1, round(_SPEED_S * fps))
    limit = _FAST * _SIZE_PX * steps / fps
    slow = np.ones(len(transforms), np.bool_)
    for row, transform in enumerate(transforms[:-1]):
        later = min(row + steps, len(transforms) - 1)
        if place_distance(transform, transforms[later], _SIZE_PX) > limit:
            slow[row : later + 1] = False
    return slow.tolist()


def _fill_depth(face: PlacedFace) -> NDArray[np.float32]:
    """Return the depth of each pixel of the aligned square. It is the mean depth outside of the face."""
    rows, columns = np.indices((_SIZE_PX, _SIZE_PX))
    depth = LinearNDInterpolator(face.points, face.depth - face.depth.mean(), fill_value=0.0)(columns, rows)
    return np.asarray(depth, dtype=np.float32)
