"""Command `spot`: find onset, apex and offset of the strongest movement in a video or a folder of frames."""

from pathlib import Path

import click

from microfacial.datasets.frames import find_gap, frame_times, open_clip, require_fps
from microfacial.errors import name_in_errors
from microfacial.inference.frame_rate import find_slow_frames
from microfacial.pipeline.messages import print_json
from microfacial.preprocessing.face_track import describe_choice, track_face
from microfacial.preprocessing.spotting import spot_track


def run_spot(path: Path, fps: float | None, *, as_json: bool) -> None:
    """Print the frame numbers, and the seconds from the first frame. Warn of a frame rate that is too low.

    Args:
        path: video or folder of frames.
        fps: frames per second. None means the video's own frame rate.
        as_json: whether to print a JSON document.

    Raises:
        NoFaceError: No frame shows a face.
        DatasetError: The path has no frames, a frame cannot be read, the frame rate is unknown, or no movement was
            found.
    """
    recording = open_clip(path)
    known_fps = require_fps(recording, fps)
    times = frame_times(recording, fps)
    if gap := find_gap(recording):
        click.echo(f"spot: {path}: {gap}", err=True)
    with name_in_errors(path):
        track = track_face(recording, recording.root, known_fps)
        if track.faces > 1:
            click.echo(f"spot: {describe_choice(track.faces)}", err=True)
        spotting = spot_track(track, known_fps, times)
    moments = ("onset", "apex", "offset")
    numbers = {moment: getattr(spotting, moment) for moment in moments}
    slow = find_slow_frames(times)
    reason = next((slow[n] for n in range(spotting.onset, spotting.offset + 1) if n in slow), "")
    if reason:
        click.echo(f"spot: {path}: {reason}", err=True)
    if as_json:
        spotted = {name: {"frame": n, "seconds": times[n]} for name, n in numbers.items()}
        further = [{"frame": n, "seconds": times[n]} for n in spotting.peaks[1:]]
        print_json({"path": str(path), "fps": known_fps, **spotted, "further_peaks": further})
        return
    click.echo("spot: " + ", ".join(f"{moment} {n} ({times[n]:.3f} s)" for moment, n in numbers.items()))
    if spotting.peaks[1:]:
        click.echo(f"spot: further movements peak at {', '.join(map(str, spotting.peaks[1:]))}")
