"""SMIC-E: long clips that include the frames before and after each expression, and tables with onset and offset.

Layout: `SMIC-HS-E_annotation*.xlsx` in the root or in `HS_long`, and the long clips
`HS_long/SMIC-HS-E/s01/s1_ne_01/image<N>.jpg`. `VIS` and `NIR` have the same layout. If there are several tables, the
latest is read.

`FirstF` is the camera's number for the first frame of a long clip. Onset and offset have the same numbering. If the
files are numbered from 0 or 1, or onset and offset are not between the first and the last of them, all numbers are
shifted so that FirstF becomes the number of the first file. Only the tables of 2019 give an apex. Rows without an
offset have no long clip and are left out. The tables have notes below the rows.

Source: Li et al., Towards reading hidden emotions, IEEE Transactions on Affective Computing 2018,
doi:10.1109/TAFFC.2017.2667642.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from microfacial.datasets.annotation_table import Columns, is_given, make_annotation, read_number, read_rows
from microfacial.datasets.annotations import Annotation, AnnotationRow, Release, SkippedRow, clip_id, name_corpus
from microfacial.datasets.clips import find_video, make_release
from microfacial.datasets.folders import FRAME_EXTENSIONS, find_frames, find_pattern
from microfacial.datasets.smic import CAMERA_FPS, Camera, read_subject
from microfacial.datasets.table_files import find_table

if TYPE_CHECKING:  # importing it takes half a second
    import pandas as pd


_FIRST = "FirstF"
_APEX = "ApexF"  # only in the tables of 2019
_COLUMNS = Columns(
    onset="OnsetF",
    apex=None,
    offset="OffsetF",
    action_units=None,
    emotion="Emotion",
    others=(_FIRST,),
    optional=(_APEX,),
)


def open_smic_e(folder: Path, *, camera: Camera = "HS") -> Release:
    """Read a release of SMIC-E: the table of a camera, and its long clips.

    If there are several tables, `find_table` takes the one with the highest version, then with the latest date.

    Args:
        folder: folder of the release.
        camera: HS (high speed), VIS (visible light) or NIR (near infrared).

    Raises:
        DatasetError: the table is missing, unreadable or lacks a column.
    """
    pattern = f"SMIC-{camera}-E_annotation*.xlsx"
    table = find_table(folder, f"SMIC-{camera}-E", pattern, folders=(f"{camera}_long",))
    corpus, long_clips = name_corpus(folder, "smic"), f"{camera}_long/SMIC-{camera}-E"

    def locate(row: Annotation) -> str:
        place = f"{long_clips}/{row.subject}/{row.name}"
        return f"{place}/{find_pattern(folder / place, FRAME_EXTENSIONS, default='image{:06d}.jpg')}"

    def read(cells: "pd.Series[str]", subject: str, name: str, where: str) -> AnnotationRow:
        if not is_given(cells[_COLUMNS.offset]):
            return SkippedRow(id=clip_id(corpus, subject, name), reason="SMIC-E gives no offset and no long clip")
        first = read_number(cells, _FIRST, where)
        columns = replace(_COLUMNS, apex=_APEX if _APEX in cells else None)
        row = make_annotation(
            cells,
            columns,
            corpus=corpus,
            vocabulary="smic",
            subject=subject,
            name=name,
            fps=CAMERA_FPS[camera],
            where=where,
        )
        return _renumber(row, first, folder / locate(row))

    return make_release(tuple(read_rows(table, _COLUMNS, corpus, _identify, read)), folder, locate)


def _identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    return read_subject(cells[_COLUMNS.subject], where, cells[_COLUMNS.name]), cells[_COLUMNS.name]


def _renumber(row: Annotation, first: int, frames: Path) -> Annotation:
    """Return the row with the numbers of the files, shifted from the camera's numbers if these are not on disk.

    Args:
        row: row with the camera's numbers.
        first: camera's number for the first frame of the long clip.
        frames: path of the frames, with `{}` or `{:05d}` at the frame number.
    """
    is_video = find_video(frames.parent) is not None
    numbers = (1,) if is_video else find_frames(frames.parent, frames.name)
    if not numbers:
        return row  # `make_clip` refuses it
    shift = numbers[0] - first
    camera_numbers = numbers[0] > 1 and numbers[0] <= row.onset and row.offset <= numbers[-1]
    if shift == 0 or camera_numbers:
        return row
    apex = None if row.apex is None else row.apex + shift
    note = f"frames counted from {numbers[0]} on, as the files are, not from FirstF {first}"
    return replace(row, onset=row.onset + shift, apex=apex, offset=row.offset + shift, notes=(*row.notes, note))
