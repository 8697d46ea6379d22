"""Command `spot`: find onset, apex and offset of the strongest movement in a video or a folder of frames."""

from collections.abc import Mapping
from pathlib import Path

import click

from microfacial.datasets.frames import Recording, open_clip, stream_clip
from microfacial.datasets.video import VIDEO_EXTENSIONS, read_times
from microfacial.errors import NoFaceError
from microfacial.pipeline.messages import print_json
from microfacial.preprocessing.aligned_frames import read_aligned_frames
from microfacial.preprocessing.frame_motion import SpottingConfig, shrink
from microfacial.preprocessing.spotting import Spotting, spot_interval

_DEFAULT_FPS = 200.0  # of CASME II and SAMM


def run_spot(path: Path, fps: float | None, *, as_json: bool) -> None:
    """Print the frame numbers. If the frame rate is known, print the seconds from the first frame too.

    Args:
        path: video or folder of frames.
        fps: frames per second. None means the video's own frame rate.
        as_json: whether to print a JSON document.

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
    times = _read_times(recording, fps)
    moments = ("onset", "apex", "offset")
    if as_json:
        frames = {name: getattr(spotting, name) for name in moments}
        found = {name: {"frame": frame, "seconds": times.get(frame)} for name, frame in frames.items()}
        further = [{"frame": frame, "seconds": times.get(frame)} for frame in spotting.peaks[1:]]
        print_json({"path": str(path), "fps": known_fps, **found, "further_peaks": further})
        return
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


def _read_times(recording: Recording, fps: float | None) -> dict[int, float]:
    """Return the seconds from the first frame by frame number: the timestamps of a video, unless the user gives a rate.

    The result is empty for a folder of frames without a known rate.
    """
    path = recording.root / recording.frames
    if fps is None and path.suffix.lower() in VIDEO_EXTENSIONS:
        return dict(zip(recording.numbers, read_times(path), strict=False))
    rate = fps or recording.fps
    return {number: index / rate for index, number in enumerate(recording.numbers)} if rate else {}


def _describe(moment: str, number: int, times: Mapping[int, float]) -> str:
    """Return the name of a moment, its frame number, and its time if it is known."""
    return f"{moment} {number} ({times[number]:.3f} s)" if number in times else f"{moment} {number}"
