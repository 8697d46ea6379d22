"""Flow of one pair of grey frames by the methods of OpenCV, and the settings of every method.

Frames are `(H, W)` float32 with grey levels of about 0–255. Flow is `(H, W, 2)` float32 in px, right and down.
"""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from microfacial.settings import Section

Gray = NDArray[np.float32]
"""A grey frame, `(H, W)`."""

Flow = NDArray[np.float32]
"""Flow of one pair of frames, `(H, W, 2)` in px: right, down."""


class VariationalSettings(Section):
    """The `flow.variational` subsection: a pyramid on OpenCV's variational refinement, from coarse to fine.

    Noise is strongest in the finest level, so the smoothness is strongest there too.

    Attributes:
        levels: number of levels of the pyramid. Each level has half the size of the next finer one.
        calls_per_level: number of refinements in each level.
        alpha: weight of smoothness in the finest level.
        alpha_step: the weight of smoothness is divided by this in each coarser level.
        gamma: weight of the constancy of gradients.
        delta: weight of the constancy of brightness.
        fixed_point_iterations: outer iterations of the solver.
        sor_iterations: inner iterations of the solver (successive over-relaxation).
        omega: over-relaxation factor.
        smooth_sigma_px: standard deviation of the Gaussian that smooths the finished flow. null does not smooth.
    """

    levels: int = Field(3, ge=1, le=5)
    calls_per_level: int = Field(3, ge=1, le=100)
    alpha: float = Field(22.0, gt=0, le=10_000)
    alpha_step: float = Field(1.5, ge=1, le=100)
    gamma: float = Field(10.0, ge=0, le=10_000)
    delta: float = Field(5.0, ge=0, le=10_000)
    fixed_point_iterations: int = Field(5, ge=1, le=1000)
    sor_iterations: int = Field(10, ge=1, le=1000)
    omega: float = Field(1.8, gt=0, lt=2)
    smooth_sigma_px: float | None = Field(2.0, gt=0, le=100)


class DisSettings(Section):
    """The `flow.dis` subsection: dense inverse search.

    Attributes:
        preset: OpenCV's preset of speed and accuracy.
        finest_scale: level at which the search ends. 0 is the frame itself, and each further level is halved. null
            takes the preset's value.
    """

    preset: Literal["ultrafast", "fast", "medium"] = "medium"
    finest_scale: int | None = Field(None, ge=0, le=5)


class FarnebackSettings(Section):
    """The `flow.farneback` subsection: polynomial expansion.

    Attributes:
        pyramid_scale: size of a level over that of the next finer one.
        levels: number of levels of the pyramid.
        winsize_px: side of the averaging window.
        iterations: iterations in each level.
        neighbourhood_px: side of the neighbourhood to which a polynomial is fitted.
        neighbourhood_sigma_px: standard deviation of the Gaussian that weights the neighbourhood.
    """

    pyramid_scale: float = Field(0.5, gt=0, lt=1)
    levels: int = Field(3, ge=1, le=20)
    winsize_px: int = Field(15, ge=3, le=255)
    iterations: int = Field(3, ge=1, le=1000)
    neighbourhood_px: int = Field(5, ge=3, le=31)
    neighbourhood_sigma_px: float = Field(1.1, gt=0, le=100)


class Tvl1Settings(Section):
    """The `flow.tvl1` subsection: total variation and an L1 data term.

    Names and meanings are those of OpenCV's DualTVL1.
    All windows of a clip are computed in one batch. The result on a GPU may differ from that on a CPU in the last bits.

    Attributes:
        lambda_: weight of the data term, for grey levels of 0–255.
        tau: time step of the dual variables.
        theta: coupling of the flow and the data term.
        scales: number of levels of the pyramid.
        scale_step: size of a level over that of the next finer one.
        warps: warps in each level.
        outer_iterations: iterations in each warp. A median filter precedes each of them.
        inner_iterations: iterations in each outer iteration.
        epsilon: a warp ends when the flow changes by less than this, in px (root mean square).
        median_px: side of the median filter. 1 does not filter.
        device: PyTorch device.
    """

    lambda_: float = Field(0.3, gt=0, le=10_000)
    tau: float = Field(0.25, gt=0, le=0.25)
    theta: float = Field(0.3, gt=0, le=10_000)
    scales: int = Field(3, ge=1, le=20)
    scale_step: float = Field(0.8, gt=0, lt=1)
    warps: int = Field(5, ge=1, le=100)
    outer_iterations: int = Field(10, ge=1, le=1000)
    inner_iterations: int = Field(30, ge=1, le=1000)
    epsilon: float = Field(0.01, ge=0, le=1)
    median_px: Literal[1, 3, 5] = 5
    device: Literal["cpu", "cuda", "mps"] = "cpu"


def variational(first: Gray, last: Gray, settings: VariationalSettings) -> Flow:
    """Compute flow by a pyramid of variational refinements.

    Source: Brox et al., ECCV 2004, doi:10.1007/978-3-540-24673-2_3 (the energy).

    Args:
        first: `(H, W)`.
        last: `(H, W)`.
        settings: settings of the method.

    Returns:
        `(H, W, 2)` in px.
    """
    solver = cv2.VariationalRefinement.create()
    solver.setGamma(settings.gamma)
    solver.setDelta(settings.delta)
    solver.setFixedPointIterations(settings.fixed_point_iterations)
    solver.setSorIterations(settings.sor_iterations)
    solver.setOmega(settings.omega)
    pyramids = [_pyramid(frame, settings.levels) for frame in (first, last)]
    flow: Flow = np.zeros((*pyramids[0][-1].shape, 2), np.float32)
    for level in reversed(range(settings.levels)):
        level_first, level_last = (pyramid[level] for pyramid in pyramids)
        flow = _enlarge(flow, level_first.shape)
        solver.setAlpha(settings.alpha / settings.alpha_step**level)
        for _ in range(settings.calls_per_level):
            flow = solver.calc(level_first, level_last, flow)
    if settings.smooth_sigma_px is not None:
        flow = cv2.GaussianBlur(flow, (0, 0), settings.smooth_sigma_px)
    return flow


def dis(first: Gray, last: Gray, settings: DisSettings) -> Flow:
    """Compute flow by dense inverse search. Grey levels are rounded to whole numbers, which the method requires.

    Source: Kroeger et al., ECCV 2016, doi:10.1007/978-3-319-46493-0_29.

    Args:
        first: `(H, W)`.
        last: `(H, W)`.
        settings: settings of the method.

    Returns:
        `(H, W, 2)` in px.
    """
    preset = getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{settings.preset.upper()}")
    solver = cv2.DISOpticalFlow.create(preset)
    if settings.finest_scale is not None:
        solver.setFinestScale(settings.finest_scale)
    whole = [np.clip(frame.round(), 0, 255).astype(np.uint8) for frame in (first, last)]
    return solver.calc(whole[0], whole[1], np.zeros((*first.shape, 2), np.float32))


def farneback(first: Gray, last: Gray, settings: FarnebackSettings) -> Flow:
    """Compute flow by polynomial expansion.

    Source: Farnebäck, SCIA 2003, doi:10.1007/3-540-45103-X_50.

    Args:
        first: `(H, W)`.
        last: `(H, W)`.
        settings: settings of the method.

    Returns:
        `(H, W, 2)` in px.
    """
    return cv2.calcOpticalFlowFarneback(
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


def _pyramid(frame: Gray, levels: int) -> list[Gray]:
    """Return the frame and coarser versions of it. Each has half the size of the one before."""
    images = [frame]
    for _ in range(levels - 1):
        height, width = images[-1].shape
        images.append(cv2.resize(images[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    return images


def _enlarge(flow: Flow, shape: tuple[int, ...]) -> Flow:
    """Resample flow to a finer grid of `shape`, and scale its vectors to the new pixels."""
    height, width = shape
    if flow.shape[:2] == (height, width):
        return flow
    growth = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    return cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR) * growth
