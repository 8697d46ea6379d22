"""The path that each region of a face takes over time, on the aligned square.

A region is a patch of skin around a landmark, or an eyelid. Its position in a frame is the mean optical flow of the
patch from a key frame, without the motion of the head. The mean over a patch averages out the noise of sensors and of
compression. Key frames follow each other, and the path is continuous where they change. A path needs one frame at a
time, so the length of a film does not matter.

Source: Kroeger et al., ECCV 2016, doi:10.1007/978-3-319-46493-0_29 (the flow).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.preprocessing.frame_motion import SpottingConfig, motion_grid, prepare_frame
from microfacial.preprocessing.head_turn import HeadTurn
from microfacial.preprocessing.portable import portable_opencv
from microfacial.records import FloatArray, Image

CHEEKS = ("cheek right", "cheek left")
UPPER = ("inner brow right", "inner brow left", "outer brow right", "outer brow left", *CHEEKS)
MIDDLE = ("nose right", "nose left")
LOWER = ("corner right", "corner left", "upper lip", "lower lip", "chin")
LIDS = ("lid right", "lid left")
REGIONS = (*UPPER, *MIDDLE, *LOWER, *LIDS)
_LANDMARKS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "inner brow right": (55, 107, 65),
        "inner brow left": (285, 336, 295),
        "outer brow right": (105, 63, 70),
        "outer brow left": (334, 293, 300),
        "cheek right": (50, 117, 118),
        "cheek left": (280, 346, 347),
        "nose right": (129, 49, 126),
        "nose left": (358, 279, 355),
        "corner right": (61, 57, 186),
        "corner left": (291, 287, 410),
        "upper lip": (0, 164, 37, 267),
        "lower lip": (17, 18, 84, 314),
        "chin": (199, 175, 200),
        "lid right": (159, 158, 160),
        "lid left": (386, 385, 387),
    }
)
_RADIUS = 0.055  # of the square's side
_LID_RADIUS = 0.03
_DECIMALS = 4  # px


@dataclass(frozen=True, kw_only=True)
class MeasuredFrame:
    """Regions and head in a frame, measured from the key frame.

    Attributes:
        position: positions of the regions relative to the first frame, `(R, 2)` in px of the working width.
        head: similarity, `(2, 3)`, from pixels of the aligned square to where the head has moved them since the key
            frame. It is the identity if the frame is aligned well.
        prepared: the frame as optical flow needs it.
    """

    position: FloatArray
    head: FloatArray
    prepared: Image


class MotionPath:
    """Measures the positions of the regions of one face, frame by frame."""

    @portable_opencv()
    def __init__(
        self,
        points: FloatArray,
        skin: NDArray[np.bool_],
        depth: NDArray[np.float32],
        config: SpottingConfig,
        key_frames: int,
    ) -> None:
        """Place the regions.

        Args:
            points: landmarks on the aligned square, `(468, 2)` in px.
            skin: pixels that are skin, `(S, S)`.
            depth: distance of each pixel from the camera in px, `(S, S)`.
            config: settings of spotting.
            key_frames: number of frames after which the key frame is replaced.

        Raises:
            DatasetError: no point of the grid lies on skin.
        """
        self._config, self._key_frames, self._square_px = config, key_frames, len(skin)
        self._solver = _make_solver()
        grid, self._size, used = motion_grid(skin, config)
        coarse = cv2.resize(depth, self._size, interpolation=cv2.INTER_AREA).astype(np.float64)
        self._turn = HeadTurn(grid.astype(np.float64), coarse, used)
        self._weights = _place_regions(points * config.width_px / len(skin), grid, config.width_px)
        self._key: Image | None = None
        self._key_position = np.zeros((len(REGIONS), 2))
        self._age = 0

    @property
    def needs_key(self) -> bool:
        """Whether the next frame becomes the key frame. It must be aligned to the first frame of the run."""
        return self._key is None or self._age + 1 >= self._key_frames

    @portable_opencv()
    def measure(self, frame: Image) -> MeasuredFrame:
        """Measure the next frame. The path does not change before `add`.

        Args:
            frame: frame on the aligned square, `(S, S)` uint8.

        Returns:
            The positions of the regions, and the motion of the head since the key frame.
        """
        prepared = prepare_frame(frame, self._config)
        if self._key is None:
            return MeasuredFrame(position=self._key_position, head=np.eye(2, 3), prepared=prepared)
        fine = self._solver.calc(self._key, prepared, np.empty(0, np.float32))
        flow, head = self._turn.split(cv2.resize(fine, self._size, interpolation=cv2.INTER_AREA))
        position = (self._key_position + self._weights @ flow.reshape(-1, 2)).round(_DECIMALS)
        head[:, 2] *= self._square_px / self._config.width_px
        return MeasuredFrame(position=position, head=head, prepared=prepared)

    def add(self, measured: MeasuredFrame) -> None:
        """Add the next frame to the path.

        Args:
            measured: the frame, from `measure`.
        """
        self._age += 1
        if self._key is None or self._age >= self._key_frames:
            self._key, self._key_position, self._age = measured.prepared, measured.position, 0


def _make_solver() -> cv2.DISOpticalFlow:
    """Return the fast preset at a finer scale and without smoothing, which would shrink small motions."""
    solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    solver.setFinestScale(1)
    solver.setVariationalRefinementIterations(0)
    return solver


def _place_regions(points: FloatArray, grid: NDArray[np.float32], width_px: int) -> FloatArray:
    """Return the weight of each point of the grid in the mean of each region, `(R, n)`."""
    rows = []
    for name in REGIONS:
        middle = points[list(_LANDMARKS[name])].mean(axis=0)
        radius = (_LID_RADIUS if name in LIDS else _RADIUS) * width_px
        away = np.hypot(*(grid.reshape(-1, 2) - middle).T)
        inside = (away <= max(radius, float(away.min()))).astype(np.float64)
        rows.append(inside / inside.sum())
    return np.stack(rows)
