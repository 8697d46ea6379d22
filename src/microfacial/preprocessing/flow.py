"""Optical flow between aligned frames of one clip, with the head's motion removed.

Every method sees high-passed frames unless told otherwise: a slow change of light, as small as a lamp's flicker, is
else taken for motion, most of all by TV-L1 and dense inverse search.

Each method's source is with the method.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from microfacial.errors import DatasetError
from microfacial.preprocessing.faces import align, cover
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
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, Clip, Face, FlowSequence, FlowUnit, Image
from microfacial.settings import Section

WINDOWS = (ONSET_APEX, *PHASE_WINDOWS)
HeadMotion = Literal["off", "translation", "similarity", "similarity-twice"]
Pairs = Sequence[tuple[Gray, Gray]]
_FAINTEST = 1.0  # grey levels between a prepared frame's darkest and brightest pixel
_EDGE_PX = 10  # flow as near as this to the edge of the camera's frame is not to be trusted
_FIT_STEP_PX = 8  # every 8th pixel is plenty for the four parameters of a similarity


class FlowConfig(Section):
    """The `flow` section of params.yaml. Only the chosen method's own part is used.

    `head_motion` is what is taken for the head's motion in each window, and removed: `translation`, the median of the
    flow; `similarity`, the shift, turn and scale that most of the face follows; `similarity-twice`, the same, undone in
    the frame and the flow computed anew, which costs twice as much. None follows a head that turns away.
    """

    method: Literal["variational", "dis", "farneback", "tvl1", "published"] = "variational"
    head_motion: HeadMotion = "similarity-twice"
    highpass_sigma_px: float | None = Field(8.0, gt=0)  # null leaves slow changes of light in
    blur_sigma_px: float | None = Field(0.8, gt=0)  # against noise; null leaves frames sharp
    variational: VariationalSettings = VariationalSettings()
    dis: DisSettings = DisSettings()
    farneback: FarnebackSettings = FarnebackSettings()
    tvl1: Tvl1Settings = Tvl1Settings()


def layout(config: FlowConfig) -> tuple[tuple[str, ...], int, FlowUnit]:
    """What a flow of this method has: its windows, how many channels, its unit."""
    return ((ONSET_APEX,), 3, "stretched") if config.method == "published" else (WINDOWS, 2, "px")


def key_frames(clip: Clip) -> tuple[int, int, int, int, int]:
    """Frame numbers of onset, rise, apex, fall, offset; rise and fall are nearest in time to the phases' middles."""

    def between(first: int, last: int) -> int:
        return min(clip.numbers, key=lambda number: abs(2 * number - first - last))

    return clip.onset, between(clip.onset, clip.apex), clip.apex, between(clip.apex, clip.offset), clip.offset


def compute_clip_flow(
    clip: Clip, face: Face, frames: Mapping[int, Image], size_px: int, config: FlowConfig
) -> FlowSequence:
    """Align the key frames of one clip and compute its flow.

    Args:
        clip: clip with frame numbers.
        face: place of the face in the frames of the clip.
        frames: key frames by number, `(H, W, 3)` uint8 BGR, as the camera wrote them.
        size_px: side of the aligned square.
        config: settings of flow.

    Returns:
        Flow of the clip.

    Raises:
        DatasetError: The clip has no flow (see `compute_flow`), or `flow.method` is "published" and the clip has
            frames.
    """
    aligned = {number: align(frame, face, size_px) for number, frame in frames.items()}
    if config.method == "published":
        return read_published(clip, aligned[clip.apex])
    return compute_flow(clip, aligned, config, cover(frames[clip.onset], face.transform, size_px))


def compute_flow(
    clip: Clip,
    frames: Mapping[int, NDArray[np.uint8]],
    config: FlowConfig,
    covered: NDArray[np.bool_] | None = None,
) -> FlowSequence:
    """Flow over onset→apex and over the four phase windows, from aligned BGR frames by number, `(H, W, 3)` each.

    Args:
        covered: where the camera's frame lies on the aligned square, `(H, W)`; everywhere if None. What continues it
            beyond its edges does not move as the face does: no head is fitted to it, and flow fades to 0 there.

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
    prepared = {number: prepare(frame, config) for number, frame in frames.items()}
    blank = [number for number, frame in prepared.items() if np.ptp(frame) < _FAINTEST]
    if blank:
        raise DatasetError(
            f"{clip.id}: frame {blank[0]} shows nothing (all of one grey). Re-extract or exclude the clip"
        )
    windows = facial_flow([(prepared[first], prepared[last]) for first, last in pairs], config, covered)
    return FlowSequence(
        clip=clip.id, flow=np.stack(windows).transpose(0, 3, 1, 2).astype(np.float16), windows=WINDOWS, unit="px"
    )


def prepare(frame: NDArray[np.uint8], config: FlowConfig) -> Gray:
    """A BGR frame `(H, W, 3)` as every method takes it: grey, without slow shading, without the finest noise."""
    gray = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), dtype=np.float32)
    if config.highpass_sigma_px is not None:
        gray = gray - cv2.GaussianBlur(gray, (0, 0), config.highpass_sigma_px) + 128.0
    if config.blur_sigma_px is not None:
        gray = np.asarray(cv2.GaussianBlur(gray, (0, 0), config.blur_sigma_px), dtype=np.float32)
    return gray


def facial_flow(pairs: Pairs, config: FlowConfig, covered: NDArray[np.bool_] | None = None) -> list[Flow]:
    """Flow `(H, W, 2)` of each pair of prepared frames, the head's motion removed as `config.head_motion` says.

    Args:
        covered: as for `compute_flow`.

    Convention: what is left is motion on the face as it was in the first frame of a pair.
    """
    if covered is None or covered.all():
        return _still_flow(pairs, config, np.ones(pairs[0][0].shape, np.bool_))
    inside = cv2.erode(covered.astype(np.uint8), np.ones((3, 3)), iterations=_EDGE_PX, borderValue=1)
    fading = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), _EDGE_PX / 3) * covered
    return [flow * fading[..., None] for flow in _still_flow(pairs, config, inside.astype(np.bool_))]


def _still_flow(pairs: Pairs, config: FlowConfig, inside: NDArray[np.bool_]) -> list[Flow]:
    """Flow of each pair, less the head's motion as seen in pixels `(H, W)` that are well inside of the frame."""
    flows = _solve(pairs, config)
    if config.head_motion == "off":
        return flows
    if config.head_motion == "translation":
        return [np.asarray(flow - np.median(flow[inside], axis=0), dtype=np.float32) for flow in flows]
    motions = [_fit_similarity(flow, inside) for flow in flows]
    if config.head_motion == "similarity":
        return [_subtract(motion, flow) for motion, flow in zip(motions, flows, strict=True)]
    still = [(first, _undo(motion, last)) for motion, (first, last) in zip(motions, pairs, strict=True)]
    return _solve(still, config)


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


def _solve(pairs: Pairs, config: FlowConfig) -> list[Flow]:
    """Flow of each pair of prepared frames by the method that `config` names."""
    one_by_one: Mapping[str, Callable[[Gray, Gray], Flow]] = {
        "variational": lambda first, last: variational(first, last, config.variational),
        "dis": lambda first, last: dis(first, last, config.dis),
        "farneback": lambda first, last: farneback(first, last, config.farneback),
    }
    if config.method in one_by_one:
        return [one_by_one[config.method](first, last) for first, last in pairs]
    from microfacial.preprocessing.tvl1 import tvl1  # torch takes seconds to import, and no other method needs it

    firsts, lasts = (np.stack(frames) for frames in zip(*pairs, strict=True))
    return list(tvl1(firsts, lasts, config.tvl1))


def _fit_similarity(flow: Flow, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Similarity `(2, 3)` that most of the face follows, by least median of squares."""
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[0:height:_FIT_STEP_PX, 0:width:_FIT_STEP_PX]
    seen = inside[rows, columns]
    points = np.stack([columns[seen], rows[seen]], axis=-1).astype(np.float32)
    moved = points + flow[rows[seen], columns[seen]]
    motion, _ = cv2.estimateAffinePartial2D(points, moved, method=cv2.LMEDS)
    assert motion is not None, "points on a grid are not degenerate"
    return np.asarray(motion, dtype=np.float64)


def _subtract(motion: NDArray[np.float64], flow: Flow) -> Flow:
    """Flow on a face that moved by the similarity `(2, 3)` as a whole: where each pixel went, brought back."""
    rows, columns = np.indices(flow.shape[:2])
    points = np.stack([columns, rows], axis=-1)
    back = np.asarray(cv2.invertAffineTransform(motion))
    return np.asarray((points + flow) @ back[:, :2].T + back[:, 2] - points, dtype=np.float32)


def _undo(motion: NDArray[np.float64], frame: Gray) -> Gray:
    """The frame as it would be had the head not moved by the similarity `(2, 3)`."""
    height, width = frame.shape
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    still = cv2.warpAffine(frame, motion, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(still, dtype=np.float32)
