"""Pages of what `clips`, `faces` and `flow` have built, for people to look over."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import click

from microfacial import files
from microfacial.errors import PipelineError
from microfacial.pipeline.project import PARAMS, Project, progress
from microfacial.pipeline.provenance import would_commit
from microfacial.preprocessing.flow import FlowConfig
from microfacial.preprocessing.store import read_faces, read_features
from microfacial.records import Clip, FaceStore, is_synthetic
from microfacial.report.flow_sheet import CLIPS_PER_PAGE, ClipView, SheetFacts, draw_page
from microfacial.settings import read_section


def run_flow_sheet(project: Project, folder: Path, clip_ids: Sequence[str]) -> None:
    """Draw all clips, or those of `clip_ids`, into `folder`; further pages of an earlier run go.

    Raises:
        StorageError: the flow is not built, or is of other clips than the table.
        PipelineError: a clip is not in the data set, or git would keep pages that show people.
    """
    store, clips = read_features(project.results)
    views = _choose(_read_views(project, store, clips), clip_ids)
    name, count = "flow-selected" if clip_ids else "flow", math.ceil(len(views) / CLIPS_PER_PAGE)
    paths = [folder / f"{name}-{number:0{len(str(count))}d}.png" for number in range(1, count + 1)]
    if not all(is_synthetic(view.clip.corpus) for view in views) and would_commit(paths[0]):
        raise PipelineError(f"{folder}: pages show faces, and git would keep them there. Name a folder that it ignores")
    facts = _gather(project, store)
    with progress(paths, "flow", unit="page") as bar:
        for number, path in enumerate(bar, 1):
            shown = views[(number - 1) * CLIPS_PER_PAGE : number * CLIPS_PER_PAGE]
            files.write_image(path, draw_page(shown, facts, number, count))
    for old in set(folder.iterdir()) - set(paths):
        if re.fullmatch(rf"{name}-\d+\.png", old.name):
            old.unlink()
    click.echo(f"flow: {len(views)} clips on {count} {'page' if count == 1 else 'pages'} in {folder}")


def _read_views(project: Project, store: FaceStore, clips: Sequence[Clip]) -> list[ClipView]:
    """All clips with their faces, crops and flow; the arrays are memory-mapped."""
    faces, _, _ = read_faces(project.results / "faces")
    rows = zip(clips, faces, store.crops, store.flow, strict=True)
    return [ClipView(clip=clip, face=face, crops=pair, flow=flow) for clip, face, pair, flow in rows]


def _choose(views: list[ClipView], clip_ids: Sequence[str]) -> list[ClipView]:
    """The views of these clips, in the data set's order; all if none is named."""
    known = {view.clip.id for view in views}
    strangers = [clip_id for clip_id in clip_ids if clip_id not in known]
    if strangers:
        raise PipelineError(
            f"no clip {strangers[0]!r} has been built. Name one as in clips.csv, such as {views[0].clip.id}"
        )
    return [view for view in views if not clip_ids or view.clip.id in clip_ids]


def _gather(project: Project, store: FaceStore) -> SheetFacts:
    head_motion = read_section(PARAMS, "flow", FlowConfig).head_motion
    return SheetFacts(
        data_set=project.clips.name,
        windows=store.windows,
        unit=store.unit,
        regions=store.regions,
        head_motion=_explain_head_motion(store, head_motion),
    )


def _explain_head_motion(store: FaceStore, head_motion: str) -> str:
    if store.unit == "stretched":
        return "Published maps hold what head motion their makers left; u and v are centred by their median."
    if head_motion == "off":
        return "The head's motion is in the flow (flow.head_motion: off)."
    return f"Flow is with the head's motion removed (flow.head_motion: {head_motion})."
