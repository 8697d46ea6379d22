"""Command `spot`: find onset, apex and offset of the strongest movement in a video or a folder of frames."""

from collections.abc import Mapping
from pathlib import Path

import click

from microfacial.datasets.frames import frame_times, open_clip
from microfacial.preprocessing.face_track import describe_choice, track_face
from microfacial.preprocessing.spotting import spot_track

_DEFAULT_FPS = 200.0  # of CASME II and SAMM


def run_spot(path: Path, fps: float | None) -> None:
    """Print the frame numbers. If the frame rate is known, print the seconds from the first frame too.

    Args:
        path: video or folder of frames.
        fps: frames per second. None means the video's own frame rate.

    Raises:
        NoFaceError: No frame shows a face.
        DatasetError: The path has no frames, a frame cannot be read, or no movement was found.
    """
    recording = open_clip(path)
    known_fps = fps or recording.fps
    if known_fps is None:
        click.echo(
            f"spot: the frame rate is unknown. {_DEFAULT_FPS:g} frames per second are assumed; set it by --fps",
            err=True,
        )
    rate = known_fps or _DEFAULT_FPS
    track = track_face(recording, recording.root, rate)
    if track.faces > 1:
        click.echo(f"spot: {describe_choice(track.faces)}", err=True)
    spotting = spot_track(track, rate)
    times = frame_times(recording, fps)
    moments = ("onset", "apex", "offset")
    click.echo("spot: " + ", ".join(_describe(moment, getattr(spotting, moment), times) for moment in moments))
    if spotting.peaks[1:]:
        click.echo(f"spot: further movements peak at {', '.join(map(str, spotting.peaks[1:]))}")


def _describe(moment: str, number: int, times: Mapping[int, float]) -> str:
    """Return the name of a moment, its frame number, and its time if it is known."""
    return f"{moment} {number} ({times[number]:.3f} s)" if number in times else f"{moment} {number}"
