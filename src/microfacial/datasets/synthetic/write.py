"""Write synthetic clips to disk in the layout of a corpus."""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
from joblib import delayed
from tqdm import tqdm

from microfacial.datasets.annotations import SYNTHETIC_MARKER
from microfacial.datasets.synthetic.clips import DemoClip, plan_clips
from microfacial.datasets.synthetic.faces import build_face
from microfacial.datasets.synthetic.layouts import LAYOUTS
from microfacial.datasets.synthetic.motion import continue_motion
from microfacial.datasets.synthetic.people import DemoPlan, draw_person
from microfacial.datasets.synthetic.release_records import ReleaseLayout, SheetRow
from microfacial.datasets.synthetic.rendering import render_clip
from microfacial.datasets.synthetic.workbook import build_workbook
from microfacial.errors import DatasetError
from microfacial.records import Image
from microfacial.workers import make_parallel

NOTICE = """\
Synthetic data in the layout of {title}. No clip of {title} is among them.
All faces derive from one photograph of NASA (public domain, scikit-image's astronaut).
The expressions are drawn, and so are the action units and emotions that the sheet lists.
Scores on these clips exercise the software. They are no measure of accuracy on people.
"""  # part of the demo's bytes, which never change


def write_demo(folder: Path, plan: DemoPlan | None = None, *, processes: int = 1) -> None:
    """Write the demo to a new folder. It is a synthetic release of CASME II.

    Args:
        folder: Folder to create.
        plan: Number, length and size of the clips; the plan of the project's demo by default.
        processes: Number of worker processes. It does not change the files.

    Raises:
        DatasetError: The folder exists, or the plan has more persons than the corpus has subjects.
    """
    write_release("casme2", folder, plan, processes=processes)


def write_release(corpus: str, folder: Path, plan: DemoPlan | None = None, *, processes: int = 1) -> None:
    """Write a synthetic release of a corpus to a new folder.

    The files are first written to a temporary folder next to `folder`, which is renamed at the end. A stopped run
    therefore never leaves an incomplete release.

    Args:
        corpus: Name of the layout, a key of `LAYOUTS`.
        folder: Folder to create.
        plan: Number, length and size of the clips; the plan of the project's demo by default.
        processes: Number of worker processes. It does not change the files.

    Raises:
        DatasetError: The folder exists, or the plan has more persons than the corpus has subjects.
    """
    layout, plan = LAYOUTS[corpus], plan or DemoPlan()
    if folder.exists():
        raise DatasetError(f"{folder} already exists. It is not overwritten. Delete it or choose another folder")
    if plan.identities > len(layout.subjects):
        raise DatasetError(
            f"{layout.title} has {len(layout.subjects)} subjects, but the plan has {plan.identities}. "
            "Reduce the number of identities in the plan"
        )
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    temporary.mkdir(parents=True)
    try:
        _write_frames(temporary, corpus, plan, processes)
        (temporary / SYNTHETIC_MARKER).write_bytes(NOTICE.format(title=layout.title).encode())
        write_table(temporary, layout, [row for rows, _ in _plan_subjects(layout, plan) for row in rows])
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_table(root: Path, layout: ReleaseLayout, rows: Iterable[SheetRow]) -> None:
    """Write the annotation tables of a corpus. Write nothing if the corpus has no table.

    Args:
        root: Root folder of the release.
        layout: Layout of the corpus.
        rows: Rows of the tables, in order.
    """
    listed = list(rows)
    for table in (layout.table, *layout.other_tables):
        if table is not None:
            path = root / table.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(build_workbook(table, listed))


def _plan_subjects(layout: ReleaseLayout, plan: DemoPlan) -> Iterator[tuple[list[SheetRow], list[DemoClip]]]:
    """Yield the rows and the clips of each subject."""
    all_clips = plan_clips(plan)
    for number, subject in enumerate(layout.subjects[: plan.identities], 1):
        clips = [clip for clip in all_clips if clip.subject == number]
        clips = list(continue_motion(clips)) if layout.whole_videos else clips
        yield list(layout.make_rows(layout, subject, clips)), clips


def _write_frames(root: Path, corpus: str, plan: DemoPlan, processes: int) -> None:
    """Write the frames of all clips, in one task per subject, because all clips of a subject share the resting face."""
    layout = LAYOUTS[corpus]
    tasks = (delayed(_write_subject)(root, corpus, plan, *subject) for subject in _plan_subjects(layout, plan))
    with tqdm(total=len(plan_clips(plan)), desc=f"synthetic {layout.title}", unit="clip") as bar:
        for count in make_parallel(processes)(tasks):
            bar.update(count)


def _write_subject(root: Path, corpus: str, plan: DemoPlan, rows: list[SheetRow], clips: list[DemoClip]) -> int:
    """Write the frames of one subject's clips under the numbers and paths in their rows, one row per clip.

    Returns the number of clips, including those that have no frames on disk.
    """
    layout = LAYOUTS[corpus]
    face = build_face(plan, draw_person(plan, clips[0].subject), layout.view)
    for row, clip in zip(rows, clips, strict=True):
        if row.frames:
            images = render_clip(plan, clip, face, layout.view, extra_frames=layout.extra_frames)
            for number, image in zip(row.frames, images, strict=True):
                _write_image(root / layout.path(row, number), image)
                if layout.other_picture and row is rows[0] and number == row.frames[0]:
                    _write_image(root / layout.other_picture.format(number=number, **vars(row)), image)
    return len(clips)


def _write_image(path: Path, image: Image) -> None:
    """Write an image. JPEG has quality 95; its transform uses integers, so the bytes are the same everywhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix == ".jpg" else []
    path.write_bytes(cv2.imencode(path.suffix, image, settings)[1].tobytes())
