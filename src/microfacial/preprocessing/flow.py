"""Optical flow between aligned frames of one clip, with the head's motion removed.

By default, every method gets high-passed frames. Otherwise a slow change of light, even the flicker of a lamp, is taken
for motion, most of all by TV-L1 and dense inverse search.

The source of each method stands in its module.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from microfacial.errors import DatasetError
from microfacial.preprocessing.alignment import covered_pixels
from microfacial.preprocessing.faces import align
from microfacial.preprocessing.head_motion import fit_head_motion, subtract_head_motion, undo_head_motion
from microfacial.preprocessing.opencv_flow import (
    DisSettings,
    FarnebackSettings,
    Flow,
    Gray,
    Tvl1Settings,
    VariationalSettings,
    dis,
    farneback,
    variational,
)
from microfacial.preprocessing.portable import portable_opencv
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, Clip, Face, FlowSequence, FlowUnit, Image
from microfacial.settings import Section

WINDOWS = (ONSET_APEX, *PHASE_WINDOWS)
"""Names of the windows of a clip's flow, in their order."""

HeadMotion = Literal["off", "translation", "similarity", "similarity-twice"]
"""Ways to remove the head's motion (see `FlowConfig`)."""

_Pairs = Sequence[tuple[Gray, Gray]]
_MINIMUM_CONTRAST = 1.0  # grey levels between the darkest and the brightest pixel of a prepared frame
_EDGE_PX = 10  # flow this close to the edge of the camera's frame is not reliable


class FlowConfig(Section):
    """The `flow` section of params.yaml. Only the subsection of the chosen method is used.

    Attributes:
        method: method of optical flow. `published` reads flow maps instead of computing flow.
        head_motion: what is removed from the flow of each window as the head's motion. `translation`: the median of the
            flow. `similarity`: the shift, rotation and scale that most of the face follows. `similarity-twice`: the
            same similarity is undone in the second frame and the flow is computed again, which takes twice as long.
            None of them follows a head that turns away.
        highpass_sigma_px: standard deviation of the Gaussian high-pass. null keeps slow changes of light.
        blur_sigma_px: standard deviation of the Gaussian blur against noise. null keeps the frames sharp.
        variational: settings of that method.
        dis: settings of that method.
        farneback: settings of that method.
        tvl1: settings of that method.
    """

    method: Literal["variational", "dis", "farneback", "tvl1", "published"] = "variational"
    head_motion: HeadMotion = "similarity-twice"
    highpass_sigma_px: float | None = Field(8.0, gt=0, le=512)
    blur_sigma_px: float | None = Field(0.8, gt=0, le=100)
    variational: VariationalSettings = VariationalSettings()
    dis: DisSettings = DisSettings()
    farneback: FarnebackSettings = FarnebackSettings()
    tvl1: Tvl1Settings = Tvl1Settings()


def flow_layout(config: FlowConfig) -> tuple[tuple[str, ...], int, FlowUnit]:
    """Return the windows, the number of channels and the unit of flow.

    Args:
        config: settings of flow.

    Returns:
        Names of the windows, number of channels, unit.
    """
    return ((ONSET_APEX,), 3, "stretched") if config.method == "published" else (WINDOWS, 2, "px")


def key_frames(clip: Clip) -> tuple[int, int, int, int, int]:
    """Return the numbers of the frames between which flow is computed.

    Args:
        clip: clip with frame numbers.

    Returns:
        Onset, rise, apex, fall, offset. Rise and fall are the frames nearest to the middle of their phases.
    """

    def middle(first: int, last: int) -> int:
        return min(clip.numbers, key=lambda number: abs(2 * number - first - last))

    return clip.onset, middle(clip.onset, clip.apex), clip.apex, middle(clip.apex, clip.offset), clip.offset


def compute_clip_flow(
    clip: Clip,
    face: Face,
    frames: Mapping[int, Image],
    size_px: int,
    config: FlowConfig,
    windows: Sequence[str] = WINDOWS,
) -> FlowSequence:
    """Align the key frames of one clip and compute its flow.

    Args:
        clip: clip with frame numbers.
        face: place of the face in the frames of the clip.
        frames: key frames by number, `(H, W, 3)` uint8 BGR, as the camera wrote them.
        size_px: side of the aligned square.
        config: settings of flow.
        windows: see `compute_flow`.

    Returns:
        Flow of the clip.

    Raises:
        DatasetError: The clip has no flow (see `compute_flow`), or `config.method` is "published" and the clip has
            frames.
    """
    aligned = {number: align(frame, face, size_px) for number, frame in frames.items()}
    if config.method == "published":
        return convert_published_map(clip, aligned[clip.apex])
    covered = covered_pixels(frames[clip.onset], face.transform, size_px)
    return compute_flow(clip, aligned, config, covered, windows)


def compute_flow(
    clip: Clip,
    frames: Mapping[int, Image],
    config: FlowConfig,
    covered: NDArray[np.bool_] | None = None,
    windows: Sequence[str] = WINDOWS,
) -> FlowSequence:
    """Compute the flow from onset to apex and over the four phase windows.

    Args:
        clip: clip with frame numbers.
        frames: aligned key frames by number, `(H, W, 3)` uint8 BGR.
        config: settings of flow.
        covered: pixels of the aligned square that show the camera's frame, `(H, W)`. None means all. The repeated edge
            around the frame does not move like the face: it is not used to fit the head's motion, and flow fades to 0
            there.
        windows: names of the windows to compute, some of `WINDOWS`.

    Returns:
        Flow of the clip in px.

    Raises:
        DatasetError: Onset and apex are the same frame, or a frame is blank.
    """
    onset, rise, apex, fall, offset = key_frames(clip)
    if onset == apex:
        raise DatasetError(
            f"{clip.id}: onset and apex are the same frame {onset}, so there is no motion to compute. "
            "Exclude the clip, or set flow.method: published if it is a flow map"
        )
    moments = ((onset, apex), (onset, rise), (rise, apex), (apex, fall), (fall, offset))
    pairs = dict(zip(WINDOWS, moments, strict=True))
    prepared = {number: prepare(frame, config) for number, frame in frames.items()}
    blank = [number for number, frame in prepared.items() if np.ptp(frame) < _MINIMUM_CONTRAST]
    if blank:
        raise DatasetError(
            f"{clip.id}: frame {blank[0]} is blank: all pixels have one grey level. Copy it again or exclude the clip"
        )
    chosen = [(prepared[first], prepared[last]) for first, last in (pairs[name] for name in windows)]
    flows = facial_flow(chosen, config, covered)
    return FlowSequence(
        clip=clip.id, flow=np.stack(flows).transpose(0, 3, 1, 2).astype(np.float16), windows=tuple(windows), unit="px"
    )


@portable_opencv()
def prepare(frame: Image, config: FlowConfig) -> Gray:
    """Convert a frame to the form that every method takes: grey, high-passed and slightly blurred.

    Args:
        frame: `(H, W, 3)` uint8 BGR.
        config: settings of flow.

    Returns:
        `(H, W)` float32, grey levels around 128.
    """
    gray: Gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(np.float32)
    if config.highpass_sigma_px is not None:
        gray = gray - cv2.GaussianBlur(gray, (0, 0), config.highpass_sigma_px) + 128.0
    if config.blur_sigma_px is not None:
        gray = cv2.GaussianBlur(gray, (0, 0), config.blur_sigma_px)
    return gray


@portable_opencv()
def facial_flow(pairs: _Pairs, config: FlowConfig, covered: NDArray[np.bool_] | None = None) -> list[Flow]:
    """Compute the flow of each pair of prepared frames and remove the head's motion as `config.head_motion` tells.

    Args:
        pairs: pairs of prepared frames, `(H, W)` float32.
        config: settings of flow.
        covered: see `compute_flow`.

    Returns:
        Flow of each pair, `(H, W, 2)` float32 in px: motion on the face as it was in the first frame of the pair.
    """
    if covered is None or covered.all():
        return _flow_without_head(pairs, config, np.ones(pairs[0][0].shape, np.bool_))
    inside = cv2.erode(covered.astype(np.uint8), np.ones((3, 3)), iterations=_EDGE_PX, borderValue=1)
    fading = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), _EDGE_PX / 3) * covered
    return [flow * fading[..., None] for flow in _flow_without_head(pairs, config, inside.astype(np.bool_))]


def convert_published_map(clip: Clip, image: Image) -> FlowSequence:
    """Convert a published flow map to flow: u and v are centred by their medians, strain stays as it is.

    The maps were stretched to 0–255 per channel, which moved their zero. Most of a face does not move, so the median is
    where zero is now. The amplitude is lost.

    Args:
        clip: clip whose only frame is the map.
        image: `(H, W, 3)` uint8 BGR. The channels are strain, v and u.

    Returns:
        Flow of the clip in grey levels ("stretched"), with strain as the third channel.

    Raises:
        DatasetError: The clip has frames, so the image is not a flow map.
    """
    if clip.onset != clip.apex:
        raise DatasetError(f"{clip.id}: has frames, not a flow map. Set flow.method: variational in params.yaml")
    levels = image[..., ::-1].astype(np.float32).transpose(2, 0, 1)
    levels[:2] -= np.median(levels[:2], axis=(1, 2), keepdims=True)
    return FlowSequence(clip=clip.id, flow=levels[None].astype(np.float16), windows=(ONSET_APEX,), unit="stretched")


def _flow_without_head(pairs: _Pairs, config: FlowConfig, inside: NDArray[np.bool_]) -> list[Flow]:
    """Compute the flow of each pair without the head's motion, which is fitted in the pixels `inside`, `(H, W)`."""
    flows = _solve(pairs, config)
    if config.head_motion == "off":
        return flows
    if config.head_motion == "translation":
        return [flow - np.median(flow[inside], axis=0).astype(np.float32) for flow in flows]
    motions = [fit_head_motion(flow, inside) for flow in flows]
    if config.head_motion == "similarity":
        return [subtract_head_motion(motion, flow) for motion, flow in zip(motions, flows, strict=True)]
    still = [(first, undo_head_motion(motion, last)) for motion, (first, last) in zip(motions, pairs, strict=True)]
    return _solve(still, config)


def _solve(pairs: _Pairs, config: FlowConfig) -> list[Flow]:
    """Compute the flow of each pair of prepared frames by the method in `config`."""
    pairwise: Mapping[str, Callable[[Gray, Gray], Flow]] = {
        "variational": lambda first, last: variational(first, last, config.variational),
        "dis": lambda first, last: dis(first, last, config.dis),
        "farneback": lambda first, last: farneback(first, last, config.farneback),
    }
    if config.method in pairwise:
        return [pairwise[config.method](first, last) for first, last in pairs]
    from microfacial.preprocessing.tvl1 import (
        tvl1,  # importing torch takes seconds, and the other methods do not need it
    )

    firsts, lasts = (np.stack(frames) for frames in zip(*pairs, strict=True))
    return list(tvl1(firsts, lasts, config.tvl1))
