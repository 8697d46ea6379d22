"""Stage `clips`: annotations and frames on disk → clips.csv."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import click

from microfacial.datasets import list_clips
from microfacial.datasets.clip_table import write_clips
from microfacial.datasets.frames import digest_frames
from microfacial.errors import DatasetError
from microfacial.pipeline.project import Project, progress
from microfacial.preprocessing.faces import watch
from microfacial.preprocessing.spotting import spot_apex
from microfacial.records import Clip


def run_clips(project: Project) -> None:
    """Annotations and frames on disk → clips.csv."""
    listing = list_clips(project.clips)
    with progress(listing.clips, "clips") as bar:
        clips = [_look(clip, project) for clip in bar]
    write_clips(project.results / "clips.csv", clips)
    for clip in clips:
        if clip.notes:
            click.echo(f"clips: {clip.id}: {clip.notes}")
    dropped = ", ".join(f"{emotion} {count}" for emotion, count in sorted(listing.dropped.items()))
    people = len({clip.person for clip in listing.clips})
    left_out = f"; left out of scheme {project.clips.scheme}: {dropped}" if dropped else ""
    corpora = Counter(clip.corpus for clip in listing.clips)
    counts = ", ".join(f"{corpus} {count}" for corpus, count in sorted(corpora.items()))
    click.echo(f"clips: {len(listing.clips)} clips ({counts}) of {people} subjects{left_out}")


def _look(clip: Clip, project: Project) -> Clip:
    """The clip with what its frames tell: their digest, by which later stages see a changed frame; a spotted apex."""
    seen = replace(clip, digest=digest_frames(clip, project.frames))
    if project.clips.spots and clip.apex_source == "midpoint":
        return _spot(seen, project.frames)
    return seen


def _spot(clip: Clip, root: Path) -> Clip:
    """The clip with the apex that its frames show in place of the midpoint, which stays where they show none."""
    try:
        frames, skin = watch(clip, root, clip.numbers)
        apex = spot_apex(frames, clip.fps, clip.onset, clip.offset, skin=skin)
    except DatasetError as error:
        return replace(clip, notes=f"{clip.notes}; no apex could be spotted in its place: {error}")
    notes = f"{clip.notes}; spotted {apex} in its place"
    return replace(clip, apex=apex, apex_source="spotted", notes=notes)
