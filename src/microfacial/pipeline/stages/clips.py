"""Stage `clips`: read annotations and frames, and write `clips.csv`."""

from collections import Counter

import click

from microfacial.datasets import find_dataset, list_clips
from microfacial.datasets.clip_table import write_clips
from microfacial.pipeline.data_version import refuse_links
from microfacial.pipeline.message_groups import SHOWN, group_messages, list_group
from microfacial.pipeline.progress import progress_bar
from microfacial.pipeline.project import Project
from microfacial.preprocessing.clip_jobs import complete_clip, require_own_frames
from microfacial.preprocessing.stage_settings import write_stage_settings


def run_clips(project: Project) -> None:
    """Write `clips.csv`: one row per clip, with a digest of its frames and, if the settings ask for it, a spotted apex.

    Args:
        project: data set whose annotations and frames are on disk.

    Raises:
        DatasetError: Annotations or frames are missing or damaged, or two people have the same frames.
        PipelineError: There is a symbolic link at or below the folder of a corpus, or on the way to it.
    """
    for corpus in project.clips.corpora:
        refuse_links(project.frames / find_dataset(corpus).folder)
    listing = list_clips(project.clips)
    with progress_bar(listing.clips, "clips") as bar:
        clips = [complete_clip(clip, project.frames, spots=project.clips.spots) for clip in bar]
    require_own_frames(clips)
    write_clips(project.results / "clips.csv", clips)
    write_stage_settings(project.results, "clips", project.clips)
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
