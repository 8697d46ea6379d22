"""Flow of one pair of grey frames by the methods that OpenCV brings, and what each method can be set to.

Frames are `(H, W)` float32 with grey levels of about 0–255; flow is `(H, W, 2)` float32 in px, right and down.
"""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from microfacial.settings import Section

Gray = NDArray[np.float32]
Flow = NDArray[np.float32]


class VariationalSettings(Section):
    """`flow.variational`: coarse to fine on OpenCV's variational refinement.

    Noise is strongest in the finest level, so smoothness is too: each coarser level has it `alpha_step` times weaker.
    """

    levels: int = Field(3, ge=1, le=5)
    calls_per_level: int = Field(3, ge=1)
    alpha: float = Field(22.0, gt=0)  # smoothness, in the finest level
    alpha_step: float = Field(1.5, ge=1)
    gamma: float = Field(10.0, ge=0)  # constancy of gradients
    delta: float = Field(5.0, ge=0)  # constancy of brightness
    fixed_point_iterations: int = Field(5, ge=1)
    sor_iterations: int = Field(10, ge=1)
    omega: float = Field(1.8, gt=0, lt=2)  # over-relaxation
    smooth_sigma_px: float | None = Field(2.0, gt=0)  # of the finished flow; null leaves it as it is


class DisSettings(Section):
    """`flow.dis`: dense inverse search."""

    preset: Literal["ultrafast", "fast", "medium"] = "medium"
    finest_scale: int | None = Field(None, ge=0, le=5)  # 0 is the frame itself, each next halved; null is the preset's


class FarnebackSettings(Section):
    """`flow.farneback`: polynomial expansion."""

    pyramid_scale: float = Field(0.5, gt=0, lt=1)
    levels: int = Field(3, ge=1)
    winsize_px: int = Field(15, ge=3)
    iterations: int = Field(3, ge=1)
    neighbourhood_px: int = Field(5, ge=3)
    neighbourhood_sigma_px: float = Field(1.1, gt=0)


class Tvl1Settings(Section):
    """`flow.tvl1`: total variation and L1 data term. The names and meanings are those of OpenCV's DualTVL1.

    It is computed in one batch a clip, on `device`; a GPU may differ from a CPU in the last bits.
    """

    lambda_: float = Field(0.3, gt=0)  # weight of the data, for grey levels of 0–255
    tau: float = Field(0.25, gt=0, le=0.25)  # time step of the dual variables
    theta: float = Field(0.3, gt=0)  # coupling of flow and data
    scales: int = Field(3, ge=1)
    scale_step: float = Field(0.8, gt=0, lt=1)  # size of a level over the next finer one
    warps: int = Field(5, ge=1)  # per scale
    outer_iterations: int = Field(10, ge=1)  # per warp, each with a median filter first
    inner_iterations: int = Field(30, ge=1)  # per outer iteration
    epsilon: float = Field(0.01, ge=0)  # px root mean square by which flow must still change to go on within a warp
    median_px: Literal[1, 3, 5] = 5  # 1 filters nothing
    device: Literal["cpu", "cuda", "mps"] = "cpu"


def variational(first: Gray, last: Gray, settings: VariationalSettings) -> Flow:
    """Flow by a pyramid of variational refinements.

    Source: Brox et al., ECCV 2004, doi:10.1007/978-3-540-24673-2_3 (the energy).
    """
    solver = cv2.VariationalRefinement.create()
    solver.setGamma(settings.gamma)
    solver.setDelta(settings.delta)
    solver.setFixedPointIterations(settings.fixed_point_iterations)
    solver.setSorIterations(settings.sor_iterations)
    solver.setOmega(settings.omega)
    pyramids = [_pyramid(frame, settings.levels) for frame in (first, last)]
    flow = np.zeros((*pyramids[0][-1].shape, 2), np.float32)
    for level in reversed(range(settings.levels)):
        level_first, level_last = (pyramid[level] for pyramid in pyramids)
        flow = _enlarge(flow, level_first.shape)
        solver.setAlpha(settings.alpha / settings.alpha_step**level)
        for _ in range(settings.calls_per_level):
            flow = solver.calc(level_first, level_last, flow)
    if settings.smooth_sigma_px is None:
        return flow
    return np.asarray(cv2.GaussianBlur(flow, (0, 0), settings.smooth_sigma_px), dtype=np.float32)


def dis(first: Gray, last: Gray, settings: DisSettings) -> Flow:
    """Flow by dense inverse search, which takes whole grey levels.

    Source: Kroeger et al., ECCV 2016, doi:10.1007/978-3-319-46493-0_29.
    """
    preset = getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{settings.preset.upper()}")
    solver = cv2.DISOpticalFlow.create(preset)
    if settings.finest_scale is not None:
        solver.setFinestScale(settings.finest_scale)
    whole = [np.clip(frame.round(), 0, 255).astype(np.uint8) for frame in (first, last)]
    return np.asarray(solver.calc(whole[0], whole[1], np.zeros((*first.shape, 2), np.float32)), dtype=np.float32)


def farneback(first: Gray, last: Gray, settings: FarnebackSettings) -> Flow:
    """Flow by polynomial expansion.

    Source: Farnebäck, SCIA 2003, doi:10.1007/3-540-45103-X_50.
    """
    flow = cv2.calcOpticalFlowFarneback(
        first,
        last,
        np.zeros((*first.shape, 2), np.float32),
        settings.pyramid_scale,
        settings.levels,
        settings.winsize_px,
        settings.iterations,
        settings.neighbourhood_px,
        settings.neighbourhood_sigma_px,
        0,
    )
    return np.asarray(flow, dtype=np.float32)


def _pyramid(frame: Gray, levels: int) -> list[Gray]:
    """Fine to coarse, halved each time."""
    images = [frame]
    for _ in range(levels - 1):
        height, width = images[-1].shape
        half = cv2.resize(images[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        images.append(np.asarray(half, dtype=np.float32))
    return images


def _enlarge(flow: Flow, shape: tuple[int, ...]) -> Flow:
    """Flow brought to a finer grid: positions and lengths both grow."""
    height, width = shape
    if flow.shape[:2] == (height, width):
        return flow
    growth = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    resized = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized * growth, dtype=np.float32)
