"""The command `flow --contact-sheet`: pages of faces and flow that people can check."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import click
import PIL.Image
from PIL.PngImagePlugin import PngInfo

from microfacial import files
from microfacial.errors import PipelineError, suggest
from microfacial.pipeline.progress import progress_bar
from microfacial.pipeline.project import PARAMS, Project
from microfacial.pipeline.provenance import is_tracked_by_git
from microfacial.preprocessing.flow import FlowConfig
from microfacial.preprocessing.stage_settings import require_stage_settings
from microfacial.preprocessing.store import read_faces, read_features
from microfacial.records import Clip, FaceStore, Image, is_synthetic
from microfacial.report.flow_sheet import CLIPS_PER_PAGE, ClipView, SheetFacts, draw_flow_sheet
from microfacial.settings import read_section

_NOTE = ("Software", "microfacial flow --contact-sheet")  # text in the file of a page
_NOTE_BYTES = 200  # from the start of the file, which contain the note


def run_flow_sheet(project: Project, folder: Path, clip_ids: Sequence[str]) -> None:
    """Draw pages of clips into a folder, and delete all other pages of the same kind there that this command has drawn.

    Args:
        project: The data set.
        folder: Folder for the pages.
        clip_ids: Clips to draw; empty for all clips.

    Raises:
        StorageError: The flow is missing, or belongs to other clips than the table.
        PipelineError: The data set has no such clip, the pages show real people and git would commit them, or a page
            would replace a picture that this command has not drawn.
    """
    store, clips = read_features(project.results)
    require_stage_settings(project.results, PARAMS)
    views = _choose(_read_views(project, store, clips), clip_ids)
    name, count = "flow-selected" if clip_ids else "flow", math.ceil(len(views) / CLIPS_PER_PAGE)
    paths = [folder / f"{name}-{number:0{len(str(count))}d}.png" for number in range(1, count + 1)]
    if not all(is_synthetic(view.clip.corpus) for view in views) and is_tracked_by_git(paths[0]):
        raise PipelineError(f"{folder}: git would commit these pages, which show faces. Name a folder that git ignores")
    foreign = [path for path in paths if path.exists() and not _is_page(path)]
    if foreign:
        raise PipelineError(f"{foreign[0]} is not a page of this command, and would be replaced. Name another folder")
    facts = SheetFacts(
        data_set=project.clips.name,
        windows=store.windows,
        unit=store.unit,
        regions=store.regions,
        head_motion=read_section(PARAMS, "flow", FlowConfig).head_motion,
    )
    with progress_bar(paths, "flow", unit="page") as bar:
        for number, path in enumerate(bar, 1):
            shown = views[(number - 1) * CLIPS_PER_PAGE : number * CLIPS_PER_PAGE]
            _write_page(path, draw_flow_sheet(shown, facts, number, count))
    for path in set(folder.iterdir()) - set(paths):
        if re.fullmatch(rf"{name}-\d+\.png", path.name) and _is_page(path):
            path.unlink()
    click.echo(f"flow: {len(views)} clips on {count} {'page' if count == 1 else 'pages'} in {folder}")


def _write_page(path: Path, page: Image) -> None:
    """Write a page, `(H, W, 3)` uint8, BGR, with a note that tells it from other pictures."""
    note = PngInfo()
    note.add_text(*_NOTE)
    with files.atomic_write(path) as scratch:
        PIL.Image.fromarray(page[..., ::-1]).save(scratch, format="PNG", pnginfo=note)


def _is_page(path: Path) -> bool:
    """Return whether a file is a page that this command has drawn. Its note is in the first bytes."""
    try:
        with path.open("rb") as stream:
            return "\0".join(_NOTE).encode() in stream.read(_NOTE_BYTES)
    except OSError:  # a folder, or a file of somebody else
        return False


def _read_views(project: Project, store: FaceStore, clips: Sequence[Clip]) -> list[ClipView]:
    """Return all clips with their faces, crops and flow; the arrays stay on disk until they are drawn."""
    faces, _, _ = read_faces(project.results / "faces")
    rows = zip(clips, faces, store.crops, store.flow, strict=True)
    return [ClipView(clip=clip, face=face, crops=crops, flow=flow) for clip, face, crops, flow in rows]


def _choose(views: list[ClipView], clip_ids: Sequence[str]) -> list[ClipView]:
    """Return the views of some clips in the order of the data set, or all if none is named."""
    existing = {view.clip.id for view in views}
    for clip_id in clip_ids:
        if clip_id not in existing:
            raise PipelineError(
                f"the data set has no clip {clip_id!r}. Name a clip as in clips.csv, such as {views[0].clip.id}"
                f"{suggest(clip_id, existing)}"
            )
    return [view for view in views if not clip_ids or view.clip.id in clip_ids]
