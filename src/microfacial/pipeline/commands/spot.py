"""Command `spot`: find onset, apex and offset of the strongest movement in a video or a folder of frames."""

from collections.abc import Mapping
from pathlib import Path

import click

from microfacial.datasets.frames import Recording, frame_times, open_clip, stream_clip
from microfacial.errors import NoFaceError
from microfacial.preprocessing.aligned_frames import read_aligned_frames
from microfacial.preprocessing.frame_motion import SpottingConfig, shrink
from microfacial.preprocessing.spotting import Spotting, spot_interval

_DEFAULT_FPS = 200.0  # of CASME II and SAMM


def run_spot(path: Path, fps: float | None) -> None:
    """Print the frame numbers. If the frame rate is known, print the seconds from the first frame too.

    Args:
        path: video or folder of frames.
        fps: frames per second. None means the video's own frame rate.

    Raises:
        DatasetError: The path has no frames, a frame cannot be read, or no movement was found.
    """
    recording = open_clip(path)
    known_fps = fps or recording.fps
    if known_fps is None:
        click.echo(
            f"spot: the frame rate is unknown. {_DEFAULT_FPS:g} frames per second are assumed; set it by --fps",
            err=True,
        )
    spotting = _spot(recording, known_fps or _DEFAULT_FPS)
    times = frame_times(recording, fps)
    moments = ("onset", "apex", "offset")
    click.echo("spot: " + ", ".join(_describe(moment, getattr(spotting, moment), times) for moment in moments))
    if spotting.peaks[1:]:
        click.echo(f"spot: further movements peak at {', '.join(map(str, spotting.peaks[1:]))}")


def _spot(recording: Recording, fps: float) -> Spotting:
    """Spot on the skin that the first frame shows. If no face is found there, spot on whole frames and say so."""
    config = SpottingConfig()
    try:
        frames, skin = read_aligned_frames(recording, recording.root, recording.numbers)
    except NoFaceError:
        click.echo("spot: no face was found in the first frame, so whole frames are used", err=True)
        stream = stream_clip(recording, recording.root, recording.numbers)
        return spot_interval({number: shrink(frame, config) for number, frame in stream}, fps, config)
    return spot_interval(frames, fps, config, skin)


def _describe(moment: str, number: int, times: Mapping[int, float]) -> str:
    """Return the name of a moment, its frame number, and its time if it is known."""
    return f"{moment} {number} ({times[number]:.3f} s)" if number in times else f"{moment} {number}"
