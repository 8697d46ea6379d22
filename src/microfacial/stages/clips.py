"""Stage `clips`: annotations and frames on disk → clips.csv."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import click

from microfacial import storage
from microfacial.datasets import list_clips
from microfacial.frames import digest_frames
from microfacial.records import Clip
from microfacial.stages.project import Project, progress


def run(project: Project) -> None:
    """Annotations and frames on disk → clips.csv."""
    listing = list_clips(project.clips)
    with progress(listing.clips, "clips") as bar:
        storage.write_clips(project.build / "clips.csv", [_digest(clip, project.frames) for clip in bar])
    for clip in listing.clips:
        if clip.notes:
            click.echo(f"clips: {clip.id}: {clip.notes}")
    dropped = ", ".join(f"{emotion} {count}" for emotion, count in sorted(listing.dropped.items()))
    people = len({clip.person for clip in listing.clips})
    left_out = f"; left out of scheme {project.clips.scheme}: {dropped}" if dropped else ""
    corpora = Counter(clip.corpus for clip in listing.clips)
    counts = ", ".join(f"{corpus} {count}" for corpus, count in sorted(corpora.items()))
    click.echo(f"clips: {len(listing.clips)} clips ({counts}) of {people} subjects{left_out}")


def _digest(clip: Clip, root: Path) -> Clip:
    """The clip with what stands for the bytes of its frames, so that later stages see a changed frame."""
    return replace(clip, digest=digest_frames(clip, root))
