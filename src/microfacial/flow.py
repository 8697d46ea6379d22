"""Optical flow between aligned frames of one clip, with the head's motion removed.

The default is a coarse-to-fine pyramid on OpenCV's variational refinement over high-passed frames. The high-pass makes
it insensitive to slow changes of light, which ruin TV-L1 on micro-motions.

Source: Brox et al., ECCV 2004, doi:10.1007/978-3-540-24673-2_3 (the energy); Shreve et al., FG 2011,
doi:10.1109/FG.2011.5771451 (optical strain in facial expressions).
"""

from collections.abc import Mapping
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from microfacial.errors import DatasetError
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, Clip, FlowSequence, FlowUnit
from microfacial.settings import Section

Gray = NDArray[np.float32]
WINDOWS = (ONSET_APEX, *PHASE_WINDOWS)
_FAINTEST = 1.0  # grey levels between a high-passed frame's darkest and brightest pixel
_FIT_STEP_PX = 8  # every 8th pixel is plenty for the four parameters of a similarity


class FlowConfig(Section):
    """The `flow` section of params.yaml."""

    method: Literal["variational", "published"] = "variational"
    head_motion: Literal["off", "similarity"] = "similarity"
    highpass_sigma_px: float = Field(8.0, gt=0)
    blur_sigma_px: float = Field(0.8, gt=0)
    levels: int = Field(3, ge=1, le=5)
    calls_per_level: int = Field(3, ge=1)
    alpha: float = Field(14.0, gt=0)  # smoothness
    gamma: float = Field(10.0, ge=0)  # constancy of gradients
    delta: float = Field(5.0, ge=0)  # constancy of brightness
    fixed_point_iterations: int = Field(5, ge=1)
    sor_iterations: int = Field(10, ge=1)
    omega: float = Field(1.6, gt=0, lt=2)  # over-relaxation


def layout(config: FlowConfig) -> tuple[tuple[str, ...], int, FlowUnit]:
    """What a flow of this method has: its windows, how many channels, its unit."""
    return ((ONSET_APEX,), 3, "stretched") if config.method == "published" else (WINDOWS, 2, "px")


def key_frames(clip: Clip) -> tuple[int, int, int, int, int]:
    """Frame numbers of onset, rise, apex, fall, offset; rise and fall are nearest in time to the phases' middles."""

    def between(first: int, last: int) -> int:
        return min(clip.numbers, key=lambda number: abs(2 * number - first - last))

    return clip.onset, between(clip.onset, clip.apex), clip.apex, between(clip.apex, clip.offset), clip.offset


def compute_flow(clip: Clip, frames: Mapping[int, NDArray[np.uint8]], config: FlowConfig) -> FlowSequence:
    """Flow over onset→apex and over the four phase windows, from aligned BGR frames by number, `(H, W, 3)` each.

    Raises:
        DatasetError: onset and apex are one frame, or a frame shows nothing.
    """
    onset, rise, apex, fall, offset = key_frames(clip)
    if onset == apex:
        raise DatasetError(
            f"{clip.id}: onset and apex are the same frame {onset}, so there is no motion to compute. "
            "Exclude the clip, or set flow.method: published if it is a flow map"
        )
    pairs = ((onset, apex), (onset, rise), (rise, apex), (apex, fall), (fall, offset))
    filtered = {number: _prepare(frame, config) for number, frame in frames.items()}
    blank = [number for number, frame in filtered.items() if np.ptp(frame) < _FAINTEST]
    if blank:
        raise DatasetError(
            f"{clip.id}: frame {blank[0]} shows nothing (all of one grey). Re-extract or exclude the clip"
        )
    windows = [_window_flow(filtered[first], filtered[last], config) for first, last in pairs]
    return FlowSequence(
        clip=clip.id, flow=np.stack(windows).transpose(0, 3, 1, 2).astype(np.float16), windows=WINDOWS, unit="px"
    )


def read_published(clip: Clip, image: NDArray[np.uint8]) -> FlowSequence:
    """A published map, `(H, W, 3)` BGR = (strain, v, u), as flow: u and v centred by their median, strain as given.

    The maps were stretched to 0–255 per channel, which moved their zero; most of a face does not move, so the median is
    where zero went. What amplitude they had is lost.

    Raises:
        DatasetError: the clip has frames, so the image is no map.
    """
    if clip.onset != clip.apex:
        raise DatasetError(f"{clip.id}: has frames, not a flow map. Set flow.method: variational in params.yaml")
    levels = image[..., ::-1].astype(np.float32).transpose(2, 0, 1)
    levels[:2] -= np.median(levels[:2], axis=(1, 2), keepdims=True)
    return FlowSequence(clip=clip.id, flow=levels[None].astype(np.float16), windows=(ONSET_APEX,), unit="stretched")


def strain(flow: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Optical strain magnitude `(…, H, W)` of flow `(…, 2, H, W)`: sqrt(u_x² + v_y² + ½ (u_y + v_x)²), in px per px."""
    u, v = (np.asarray(flow[..., channel, :, :], dtype=np.float32) for channel in (0, 1))
    (u_y, u_x), (v_y, v_x) = (np.gradient(component, axis=(-2, -1)) for component in (u, v))
    return np.asarray(np.sqrt(u_x**2 + v_y**2 + 0.5 * (u_y + v_x) ** 2), dtype=np.float32)


def variational(first: Gray, last: Gray, config: FlowConfig) -> NDArray[np.float32]:
    """Flow `(H, W, 2)` in px from `first` to `last`, `(H, W)` float32 frames of the same size."""
    solver = cv2.VariationalRefinement.create()
    solver.setAlpha(config.alpha)
    solver.setGamma(config.gamma)
    solver.setDelta(config.delta)
    solver.setFixedPointIterations(config.fixed_point_iterations)
    solver.setSorIterations(config.sor_iterations)
    solver.setOmega(config.omega)
    pyramids = [_pyramid(frame, config.levels) for frame in (first, last)]
    flow = np.zeros((*pyramids[0][-1].shape, 2), np.float32)
    for fine_first, fine_last in zip(*map(reversed, pyramids), strict=True):
        flow = _enlarge(flow, fine_first.shape)
        for _ in range(config.calls_per_level):
            flow = solver.calc(fine_first, fine_last, flow)
    return flow


def _prepare(frame: NDArray[np.uint8], config: FlowConfig) -> Gray:
    gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(np.float32)
    flat = gray - cv2.GaussianBlur(gray, (0, 0), config.highpass_sigma_px) + 128.0
    return np.asarray(cv2.GaussianBlur(flat, (0, 0), config.blur_sigma_px), dtype=np.float32)


def _window_flow(first: Gray, last: Gray, config: FlowConfig) -> NDArray[np.float32]:
    """Flow of one window. The head's similarity is fitted to a first flow and undone before the second."""
    flow = variational(first, last, config)
    if config.head_motion == "off":
        return flow
    motion = _fit_similarity(flow)
    height, width = last.shape
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    still = cv2.warpAffine(last, motion, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return variational(first, np.asarray(still, dtype=np.float32), config)


def _fit_similarity(flow: NDArray[np.float32]) -> NDArray[np.float64]:
    """Similarity `(2, 3)` that most of the face follows, by least median of squares."""
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[0:height:_FIT_STEP_PX, 0:width:_FIT_STEP_PX]
    points = np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(np.float32)
    moved = points + flow[rows, columns].reshape(-1, 2)
    motion, _ = cv2.estimateAffinePartial2D(points, moved, method=cv2.LMEDS)
    assert motion is not None, "points on a grid are not degenerate"
    return np.asarray(motion, dtype=np.float64)


def _pyramid(frame: Gray, levels: int) -> list[Gray]:
    """Fine to coarse, halved each time."""
    images = [frame]
    for _ in range(levels - 1):
        height, width = images[-1].shape
        half = cv2.resize(images[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        images.append(np.asarray(half, dtype=np.float32))
    return images


def _enlarge(flow: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Flow brought to a finer grid: positions and lengths both grow."""
    height, width = shape
    if flow.shape[:2] == (height, width):
        return flow
    growth = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    resized = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized * growth, dtype=np.float32)
