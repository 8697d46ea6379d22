"""Motion of the face between any two frames of a clip, on a coarse grid. Spotting is built on it."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import binary_erosion

from microfacial.errors import DatasetError
from microfacial.preprocessing.head_turn import HeadTurn, smooth_share
from microfacial.preprocessing.portable import portable_opencv, round_similarity
from microfacial.preprocessing.similarity import fit_robust_similarity, transform_points
from microfacial.records import FloatArray, Image
from microfacial.settings import Section

MotionField = NDArray[np.float32]
"""Flow in px of the working width, `(…, h, w, 2)`, at every fourth pixel."""

_STEP_PX = 4  # distance of the grid's points
_PATCH = 2  # steps; flow follows patches of 8 px, so it is wrong this close to edges and to moving lids
_NOISE_PAIRS = 12  # pairs of frames in which noise is measured
_MAXIMUM_ASPECT = 3  # longer side of a frame over the shorter one


class SpottingConfig(Section):
    """Settings of spotting.

    Attributes:
        width_px: working width, to which frames are scaled.
        highpass_sigma_px: standard deviation of the Gaussian high-pass.
        smoothing_s: standard deviation of the Gaussian over time.
        longest_s: longest duration of a micro-expression from onset to offset.
        threshold: height from which a peak counts. 0 is the signal's mean, 1 its maximum.
        least_rise: the strongest peak over the signal at rest must exceed this ratio.
        most_rest_px: a signal at rest above this value belongs to a face that moves all the time, as in speech.
        most_smooth: a peak whose motion is smooth over the face above this share is one of the head; see
            `head_turn.smooth_share`.
        flank: onset and offset are where this fraction of the apex's motion is left.
    """

    width_px: int = Field(224, ge=56, le=1920)
    highpass_sigma_px: float = Field(8.0, gt=0, le=512)
    smoothing_s: float = Field(0.01, gt=0, le=10)
    longest_s: float = Field(0.5, gt=0, le=60)
    threshold: float = Field(0.55, ge=0, le=1)
    least_rise: float = Field(1.75, gt=1, le=1000)
    most_rest_px: float = Field(0.15, gt=0, le=100)
    most_smooth: float = Field(0.72, gt=0, le=1)
    flank: float = Field(0.1, gt=0, lt=1)


class FrameMotion:
    """The motion between any two frames of a clip. Frames are prepared when they are needed, to save memory."""

    @portable_opencv()
    def __init__(
        self,
        frames: Sequence[Image],
        config: SpottingConfig,
        skin: NDArray[np.bool_] | None,
        depth: NDArray[np.float32] | None = None,
    ) -> None:
        """Prepare the frames.

        Args:
            frames: uint8, grey `(H, W)` or BGR `(H, W, 3)`, all of the same size.
            config: settings of spotting.
            skin: pixels in which motion counts, `(H, W)`. None means all.
            depth: distance of each pixel from the camera in px, `(H, W)`, with any zero. It allows to remove the motion
                of a head that turns or nods. None means that heads move in the picture plane only.

        Raises:
            DatasetError: no point of the grid lies on skin.
        """
        self._frames, self._config = frames, config
        self._solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        whole = np.ones(frames[0].shape[:2], np.bool_)
        self._points, self._grid, self._used = motion_grid(whole if skin is None else skin, config)
        self._turn: HeadTurn | None = None
        if depth is not None:
            coarse = cv2.resize(depth, self._grid, interpolation=cv2.INTER_AREA).astype(np.float64)
            self._turn = HeadTurn(self._points.astype(np.float64), coarse, self._used)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._frames)

    @portable_opencv()
    def between(self, first: int, last: int) -> MotionField:
        """Return the flow from one frame to another without the motion of the head.

        Args:
            first: index of a frame.
            last: index of a frame.

        Returns:
            `(h, w, 2)` in px of the working width.
        """
        start_frame, end_frame = (prepare_frame(self._frames[index], self._config) for index in (first, last))
        fine = self._solver.calc(start_frame, end_frame, np.empty(0, np.float32))
        flow = cv2.resize(fine, self._grid, interpolation=cv2.INTER_AREA)
        start, end = self._points.reshape(-1, 2), (self._points + flow).reshape(-1, 2)
        head = round_similarity(fit_robust_similarity(start, end))
        moved = transform_points(head, self._points) - self._points
        skin_motion = np.asarray(flow - moved, dtype=np.float32)
        return skin_motion if self._turn is None else self._turn.remove(skin_motion)

    def departure(self, index: int, lag: int) -> MotionField:
        """Return the mean motion to a frame from the frames `lag` before and after it, or from the ends of the clip.

        Args:
            index: index of a frame.
            lag: number of frames.

        Returns:
            `(h, w, 2)` in px of the working width.
        """
        before = self.between(max(index - lag, 0), index)
        after = self.between(index, min(index + lag, len(self) - 1))
        return np.asarray(0.5 * (before - after), dtype=np.float32)

    def strength(self, motion: MotionField) -> FloatArray:
        """Return the root mean square of motions over the skin, away from its edges.

        Args:
            motion: `(n, h, w, 2)`.

        Returns:
            `(n,)` in px.
        """
        return np.sqrt((motion[:, self._used] ** 2).sum(axis=-1).mean(axis=-1)).astype(np.float64)

    def is_head(self, motion: MotionField) -> bool:
        """Return whether a motion is that of a head that turns, and not one of the skin.

        Args:
            motion: `(h, w, 2)`.
        """
        return smooth_share(self._points[self._used].astype(np.float64), motion[self._used]) > self._config.most_smooth

    def share(self, motion: MotionField, pattern: MotionField) -> float:
        """Return how much of a pattern is in a motion: 1 if they are equal, -1 if they are opposite.

        Args:
            motion: `(h, w, 2)`.
            pattern: `(h, w, 2)`.

        Returns:
            The projection of the motion on the pattern, over the squared length of the pattern.
        """
        used = pattern[self._used]
        return float((motion[self._used] * used).sum() / (used**2).sum())


def measure_noise(films: Sequence[FrameMotion]) -> float:
    """Return the typical strength of the flow between a frame and the next one. It is mostly noise.

    Args:
        films: parts of a clip, with at least two frames in one of them.

    Returns:
        Median over some pairs of frames, in px.
    """
    pairs = [(film, index) for film in films for index in range(len(film) - 1)]
    used = pairs[:: max(1, len(pairs) // _NOISE_PAIRS)]
    return float(np.median([film.strength(film.between(index, index + 1)[None])[0] for film, index in used]))


@portable_opencv()
def shrink(frame: Image, config: SpottingConfig) -> Image:
    """Convert a frame to grey and scale it to the working width. Spotting uses nothing else of it.

    Args:
        frame: uint8, grey `(H, W)` or BGR `(H, W, 3)`.
        config: settings of spotting.

    Returns:
        `(h, width_px)` uint8.

    Raises:
        DatasetError: The frame is too wide or too tall to be an image of a face.
    """
    gray: Image = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) if frame.ndim == 3 else frame
    height, width = gray.shape
    if not width / _MAXIMUM_ASPECT <= height <= width * _MAXIMUM_ASPECT:
        raise DatasetError(f"frames of {width}×{height} px are not images of a face. Crop them to the face")
    size = (config.width_px, round(height * config.width_px / width))
    method = cv2.INTER_AREA if config.width_px < width else cv2.INTER_LINEAR
    return cv2.resize(gray, size, interpolation=method)


def prepare_frame(frame: Image, config: SpottingConfig) -> Image:
    """Scale a frame to the working width, and high-pass its grey levels.

    Args:
        frame: uint8, grey `(H, W)` or BGR `(H, W, 3)`.
        config: settings of spotting.

    Returns:
        `(h, width_px)` uint8, around 128.

    Raises:
        DatasetError: see `shrink`.
    """
    gray = shrink(frame, config).astype(np.float32)
    flat = gray - cv2.GaussianBlur(gray, (0, 0), config.highpass_sigma_px) + 128.0
    return np.clip(np.rint(flat), 0, 255).astype(np.uint8)


def motion_grid(
    skin: NDArray[np.bool_], config: SpottingConfig
) -> tuple[NDArray[np.float32], tuple[int, int], NDArray[np.bool_]]:
    """Return the grid on which motion is measured.

    Args:
        skin: pixels in which motion counts, `(H, W)`.
        config: settings of spotting.

    Returns:
        x and y of the points in px of the working width, `(h, w, 2)`; number of columns and of rows; and the points in
        which motion counts, `(h, w)`.

    Raises:
        DatasetError: no point of the grid lies on skin, or the frame is too wide or too tall.
    """
    height, width = shrink(skin.astype(np.uint8), config).shape
    size = (width // _STEP_PX, height // _STEP_PX)
    columns, rows = np.meshgrid(*(_STEP_PX * np.arange(n) + 0.5 * (_STEP_PX - 1) for n in size))
    used = _shrink_mask(size, skin)
    if not used.any():
        raise DatasetError("too little skin is visible to measure motion. Crop the frames to the face")
    return np.stack([columns, rows], axis=-1).astype(np.float32), size, used


def _shrink_mask(grid: tuple[int, int], skin: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Scale the skin mask to a grid of columns and rows, and remove points near its edges and the frame's."""
    share = cv2.resize(skin.astype(np.float32), grid, interpolation=cv2.INTER_AREA)
    return binary_erosion(share > 0.5, np.ones((3, 3), np.bool_), iterations=_PATCH)
