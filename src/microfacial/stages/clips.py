"""Stage `clips`: annotations and frames on disk → clips.csv."""

from collections import Counter

import click

from microfacial import storage
from microfacial.datasets import list_clips
from microfacial.stages.project import Project


def run(project: Project) -> None:
    """Annotations and frames on disk → clips.csv."""
    listing = list_clips(project.clips)
    storage.write_clips(project.build / "clips.csv", listing.clips)
    for clip in listing.clips:
        if clip.notes:
            click.echo(f"clips: {clip.id}: {clip.notes}")
    dropped = ", ".join(f"{emotion} {count}" for emotion, count in sorted(listing.dropped.items()))
    people = len({clip.person for clip in listing.clips})
    left_out = f"; left out of scheme {project.clips.scheme}: {dropped}" if dropped else ""
    corpora = Counter(clip.corpus for clip in listing.clips)
    counts = ", ".join(f"{corpus} {count}" for corpus, count in sorted(corpora.items()))
    click.echo(f"clips: {len(listing.clips)} clips ({counts}) of {people} subjects{left_out}")
