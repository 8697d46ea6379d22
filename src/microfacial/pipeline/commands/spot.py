"""Command `spot`: find onset, apex and offset of the strongest movement in a video or a folder of frames."""

from collections.abc import Mapping
from pathlib import Path

import click

from microfacial.datasets.frames import Recording, frame_times, open_clip, require_fps, stream_clip
from microfacial.errors import NoFaceError
from microfacial.pipeline.messages import print_json
from microfacial.preprocessing.aligned_frames import read_aligned_frames
from microfacial.preprocessing.frame_motion import SpottingConfig, shrink
from microfacial.preprocessing.spotting import Spotting, spot_interval


def run_spot(path: Path, fps: float | None, *, as_json: bool) -> None:
    """Print the frame numbers, and the seconds from the first frame.

    Args:
        path: video or folder of frames.
        fps: frames per second. None means the video's own frame rate.
        as_json: whether to print a JSON document.

    Raises:
        DatasetError: The path has no frames, a frame cannot be read, the frame rate is unknown, or no movement was
            found.
    """
    recording = open_clip(path)
    known_fps = require_fps(recording, fps)
    times = frame_times(recording, fps)
    spotting = _spot(recording, known_fps, times)
    moments = ("onset", "apex", "offset")
    numbers = {moment: getattr(spotting, moment) for moment in moments}
    if as_json:
        found = {name: {"frame": n, "seconds": times[n]} for name, n in numbers.items()}
        further = [{"frame": n, "seconds": times[n]} for n in spotting.peaks[1:]]
        print_json({"path": str(path), "fps": known_fps, **found, "further_peaks": further})
        return
    click.echo("spot: " + ", ".join(f"{moment} {n} ({times[n]:.3f} s)" for moment, n in numbers.items()))
    if spotting.peaks[1:]:
        click.echo(f"spot: further movements peak at {', '.join(map(str, spotting.peaks[1:]))}")


def _spot(recording: Recording, fps: float, times: Mapping[int, float]) -> Spotting:
    """Spot on the skin that the first frame shows. If no face is found there, spot on whole frames and say so."""
    config = SpottingConfig()
    try:
        frames, skin = read_aligned_frames(recording, recording.root, recording.numbers)
    except NoFaceError:
        click.echo("spot: no face was found in the first frame, so whole frames are used", err=True)
        stream = stream_clip(recording, recording.root, recording.numbers)
        gray = {number: shrink(frame, config) for number, frame in stream}
        return spot_interval(gray, fps, config, seconds=times)
    return spot_interval(frames, fps, config, skin, times)
