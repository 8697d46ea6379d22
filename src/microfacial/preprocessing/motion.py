"""Frames of a clip and the place of its face → motion on the aligned square."""

from collections.abc import Mapping

from microfacial.datasets.frames import Picture
from microfacial.preprocessing.faces import align, cover
from microfacial.preprocessing.flow import FlowConfig, compute_flow, read_published
from microfacial.records import Clip, Face, FlowSequence


def measure(clip: Clip, face: Face, frames: Mapping[int, Picture], size_px: int, config: FlowConfig) -> FlowSequence:
    """Align the key frames of one clip, BGR `(H, W, 3)` by number, and compute its flow.

    Args:
        size_px: side of the aligned square.

    Raises:
        DatasetError: as `compute_flow`, or a clip with frames is to be taken for a published map.
    """
    aligned = {number: align(frame, face, size_px) for number, frame in frames.items()}
    if config.method == "published":
        return read_published(clip, aligned[clip.apex])
    return compute_flow(clip, aligned, config, cover(frames[clip.onset], face.transform, size_px))
