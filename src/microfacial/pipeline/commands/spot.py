"""Command `spot`: a video or a folder of frames → onset, apex and offset of the strongest movement in it."""

from pathlib import Path

import click

from microfacial.datasets.frames import Recording, open_clip, stream_clip
from microfacial.errors import NoFaceError
from microfacial.preprocessing.faces import watch
from microfacial.preprocessing.spotting import Spotting, SpottingConfig, shrink, spot_interval

_USUAL_FPS = 200.0  # of CASME II and SAMM


def run_spot(path: Path, fps: float | None) -> None:
    """Print the frame numbers, and the seconds from the first frame where the frame rate is known.

    Raises:
        DatasetError: there are no frames, they cannot be read, or nothing moves in them.
    """
    recording = open_clip(path)
    known = fps or recording.fps
    if known is None:
        click.echo(f"spot: the frame rate is unknown, took {_USUAL_FPS:g} frames a second; give it by --fps", err=True)
    found = _spot(recording, known or _USUAL_FPS)
    click.echo("spot: " + ", ".join(_describe(moment, found, known) for moment in ("onset", "apex", "offset")))
    if found.peaks[1:]:
        click.echo(f"spot: further movements peak at {', '.join(map(str, found.peaks[1:]))}")


def _spot(recording: Recording, fps: float) -> Spotting:
    """Spot on the skin that the first frame shows, eyes left out; on whole frames where it shows none, and say so."""
    config = SpottingConfig()
    try:
        watched, skin = watch(recording, recording.root, recording.numbers)
    except NoFaceError:
        click.echo("spot: no face was found in the first frame, so all of every frame is looked at", err=True)
        frames = stream_clip(recording, recording.root, recording.numbers)
        return spot_interval({number: shrink(frame, config) for number, frame in frames}, fps, config)
    return spot_interval(watched, fps, config, skin)


def _describe(moment: str, found: Spotting, fps: float | None) -> str:
    number: int = getattr(found, moment)
    if fps is None:
        return f"{moment} {number}"
    return f"{moment} {number} ({found.numbers.index(number) / fps:.3f} s)"
