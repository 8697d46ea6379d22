"""Stage `clips`: read annotations and frames, and write `clips.csv`."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import click

from microfacial.datasets import DATASETS, list_clips
from microfacial.datasets.clip_table import write_clips
from microfacial.datasets.frames import digest_frames
from microfacial.errors import DatasetError
from microfacial.pipeline.data_version import refuse_links
from microfacial.pipeline.message_groups import SHOWN, group_messages, list_group
from microfacial.pipeline.progress import progress_bar
from microfacial.pipeline.project import Project
from microfacial.preprocessing.aligned_frames import read_aligned_frames
from microfacial.preprocessing.spotting import spot_apex
from microfacial.records import Clip


def run_clips(project: Project) -> None:
    """Write `clips.csv`: one row per clip, with a digest of its frames and, if the settings ask for it, a spotted apex.

    Args:
        project: data set whose annotations and frames are on disk.

    Raises:
        DatasetError: Annotations or frames are missing or damaged.
        PipelineError: There is a symbolic link at or below the folder of a corpus, or on the way to it.
    """
    for corpus in project.clips.corpora:
        refuse_links(project.frames / DATASETS[corpus].folder)
    listing = list_clips(project.clips)
    with progress_bar(listing.clips, "clips") as bar:
        clips = [_add_digest_and_apex(clip, project) for clip in bar]
    write_clips(project.results / "clips.csv", clips)
    notes = ((clip.id, note) for clip in clips for note in filter(None, clip.notes.split("; ")))
    for group in group_messages(notes):
        for line in list_group(group, SHOWN, "all are in clips.csv"):
            click.echo(f"clips: {line}")
    midpoints = sum(clip.apex_source == "midpoint" for clip in clips)
    if midpoints and project.clips.apex == "annotated":
        click.echo(
            f"clips: {midpoints} clips have the midpoint as apex. Set clips.missing_apex: spotted to search for the "
            "apex between onset and offset"
        )
    dropped = ", ".join(f"{emotion} {count}" for emotion, count in sorted(listing.dropped.items()))
    subjects = len({clip.person for clip in listing.clips})
    exclusions = f"; left out of scheme {project.clips.scheme}: {dropped}" if dropped else ""
    corpora = Counter(clip.corpus for clip in listing.clips)
    counts = ", ".join(f"{corpus} {count}" for corpus, count in sorted(corpora.items()))
    click.echo(f"clips: {len(listing.clips)} clips ({counts}) of {subjects} subjects{exclusions}")


def _add_digest_and_apex(clip: Clip, project: Project) -> Clip:
    """Add the digest of the frames, by which later stages notice a changed frame, and a spotted apex."""
    digested = replace(clip, digest=digest_frames(clip, project.frames))
    if project.clips.spots and clip.apex_source == "midpoint":
        return _spot(digested, project.frames)
    return digested


def _spot(clip: Clip, root: Path) -> Clip:
    """Search the apex in the frames of a clip whose apex is the midpoint of onset and offset.

    Args:
        clip: clip without an annotated apex.
        root: folder of the corpora, `clips.root`.

    Returns:
        The clip with the spotted apex, or with the midpoint if no apex could be spotted. A note names the result.
    """
    try:
        frames, skin = read_aligned_frames(clip, root, clip.numbers)
        apex = spot_apex(frames, clip.fps, clip.onset, clip.offset, skin=skin)
    except DatasetError as error:
        return replace(clip, notes=f"{clip.notes}; no apex could be spotted in its place: {error}")
    notes = f"{clip.notes}; spotted {apex} in its place"
    return replace(clip, apex=apex, apex_source="spotted", notes=notes)
