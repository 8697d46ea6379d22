"""Command `spot`: a video or a folder of frames → onset, apex and offset of the strongest movement in it."""

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from microfacial.frames import Recording, open_clip, stream_clip
from microfacial.records import Box
from microfacial.spotting import Spotting, SpottingConfig, shrink, spot_interval

_USUAL_FPS = 200.0  # of CASME II and SAMM


def run(path: Path, fps: float | None) -> None:
    """Print the frame numbers, and the seconds from the first frame where the frame rate is known."""
    recording, config = open_clip(path), SpottingConfig()
    known = fps or recording.fps
    if known is None:
        click.echo(f"spot: the frame rate is unknown, took {_USUAL_FPS:g} frames a second; give it by --fps", err=True)
    found = spot_interval(dict(_crop(recording, config)), known or _USUAL_FPS, config)
    click.echo("spot: " + ", ".join(_describe(moment, found, known) for moment in ("onset", "apex", "offset")))
    if found.peaks[1:]:
        click.echo(f"spot: further movements peak at {', '.join(map(str, found.peaks[1:]))}")


def _crop(recording: Recording, config: SpottingConfig) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield each frame cropped to where the face is on the first one, and no larger than spotting needs."""
    box: Box | None = None
    for number, frame in stream_clip(recording, recording.root, recording.numbers):
        top, left, bottom, right = box = box or _find_face(frame)
        yield number, shrink(frame[top:bottom, left:right], config)


def _find_face(frame: NDArray[np.uint8]) -> Box:
    """Where the face is: all of the frame, so frames have to be crops of a face."""
    height, width = frame.shape[:2]
    return 0, 0, height, width


def _describe(moment: str, found: Spotting, fps: float | None) -> str:
    number: int = getattr(found, moment)
    if fps is None:
        return f"{moment} {number}"
    return f"{moment} {number} ({found.numbers.index(number) / fps:.3f} s)"
