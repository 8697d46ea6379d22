"""SMIC-E: the clips of SMIC with the frames before and after, and tables of where each expression begins and ends.

Layout: `SMIC-HS-E_annotation*.xlsx` (the latest, in the root or in `HS_long`; likewise VIS and NIR) and the long clips
`HS_long/SMIC-HS-E/s01/s1_ne_01/image<N>.jpg`. `FirstF` is the number of a long clip's first frame, on whose count
onset and offset stand too; where FirstF to offset do not lie among the numbers of the files, they are moved so that
FirstF is the first file. Only the tables of 2019 give an apex. Rows without an offset have no long clip and are left
out. Texts stand below the rows.

Source: Li et al., Towards reading hidden emotions, IEEE Transactions on Affective Computing 2018,
doi:10.1109/TAFFC.2017.2667642.
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from microfacial.datasets.annotations import (
    Annotation,
    AnnotationRow,
    Columns,
    LeftOut,
    Release,
    clip_id,
    find_table,
    is_given,
    name_corpus,
    read_number,
    read_rows,
)
from microfacial.datasets.clips import find_video, release
from microfacial.datasets.frames import find_frames, find_pattern
from microfacial.datasets.label_schemes import spell
from microfacial.datasets.smic import _FPS, Camera, read_subject

_COLUMNS = Columns(
    onset="OnsetF", apex=None, offset="OffsetF", action_units=None, emotion="Emotion", others=("FirstF",)
)
_APEX = "ApexF"  # in the tables of 2019 only
_ENDINGS = (".jpg", ".bmp", ".png")


def open_smic_e(folder: Path, *, camera: Camera = "HS") -> Release:
    """The rows of a camera's table, and its long clips.

    Raises:
        DatasetError: the table is missing or lacks a column.
    """
    pattern = f"SMIC-{camera}-E_annotation*.xlsx"
    table = find_table(folder, f"SMIC-{camera}-E", pattern, folders=(f"{camera}_long",))
    corpus, top = name_corpus(folder, "smic"), f"{camera}_long/SMIC-{camera}-E"

    def locate(row: Annotation) -> str:
        place = f"{top}/{row.subject}/{row.name}"
        return f"{place}/{find_pattern(folder / place, _ENDINGS, absent='image{:06d}.jpg')}"

    def read(cells: "pd.Series[str]", subject: str, name: str, where: str) -> AnnotationRow:
        if not is_given(cells[_COLUMNS.offset]):
            return LeftOut(id=clip_id(corpus, subject, name), reason="SMIC-E gives no offset and no long clip")
        first = read_number(cells, "FirstF", where)
        row = _annotate(cells, corpus, subject, name, camera, where)
        return _count_as_files(row, first, folder / locate(row))

    return release(tuple(read_rows(table, _COLUMNS, corpus, _identify, read)), folder, locate)


def _identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    return read_subject(cells[_COLUMNS.subject], where), cells[_COLUMNS.name]


def _annotate(cells: "pd.Series[str]", corpus: str, subject: str, name: str, camera: Camera, where: str) -> Annotation:
    return Annotation(
        corpus=corpus,
        vocabulary="smic",
        subject=subject,
        name=name,
        emotion=spell(cells[_COLUMNS.emotion]),
        action_units="",
        onset=read_number(cells, _COLUMNS.onset, where),
        apex=read_number(cells, _APEX, where) if is_given(cells.get(_APEX, "")) else None,
        offset=read_number(cells, _COLUMNS.offset, where),
        fps=_FPS[camera],
        where=where,
    )


def _count_as_files(row: Annotation, first: int, frames: Path) -> Annotation:
    """The row with the numbers of the files: as annotated where they fit, or else moved from FirstF to the first file.

    Args:
        first: the number that the camera gave the long clip's first frame.
    """
    is_video = find_video(frames.parent) is not None
    numbers = (1,) if is_video else find_frames(frames.parent, frames.name)
    if not numbers:
        return row  # which joining it with its frames will refuse
    shift = numbers[0] - first
    if shift == 0 or (not is_video and numbers[0] <= first and row.offset <= numbers[-1]):
        return row
    apex = None if row.apex is None else row.apex + shift
    note = f"frames counted from {numbers[0]} on, as the files are, not from FirstF {first}"
    return replace(row, onset=row.onset + shift, apex=apex, offset=row.offset + shift, notes=(*row.notes, note))
