"""SMIC-E: the clips of SMIC with the frames before and after, and tables of where each expression begins and ends.

Layout: `SMIC-HS-E_annotation*.xlsx` (the last by name; likewise VIS and NIR) and the long clips
`HS_long/SMIC-HS-E/s01/s1_ne_01/image<N>.jpg`. `FirstF` is the number of a long clip's first frame, on whose count
onset and offset stand too; files that are counted from another number are brought onto it. Only the tables of 2019
give an apex. Rows without an offset have no long clip and are left out. Texts stand below the rows.

Source: Li et al., Towards reading hidden emotions, IEEE Transactions on Affective Computing 2018,
doi:10.1109/TAFFC.2017.2667642.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from microfacial.datasets.annotations import (
    Annotation,
    Columns,
    Fault,
    LeftOut,
    Release,
    Row,
    amend,
    clip_id,
    find_table,
    name_corpus,
    read_number,
    table_rows,
)
from microfacial.datasets.clips import release
from microfacial.datasets.schemes import spell
from microfacial.datasets.smic import FPS, Camera, read_subject
from microfacial.errors import DatasetError
from microfacial.frames import find_frames, find_pattern

_COLUMNS = Columns(
    onset="OnsetF", apex=None, offset="OffsetF", action_units=None, emotion="Emotion", others=("FirstF",)
)
_APEX = "ApexF"  # in the tables of 2019 only
_ENDINGS = (".jpg", ".bmp", ".png")


def open_release(folder: Path, *, camera: Camera = "HS") -> Release:
    """The rows of a camera's table, and its long clips.

    Raises:
        DatasetError: the table is missing or lacks a column.
    """
    table = find_table(folder, f"SMIC-{camera}-E", f"SMIC-{camera}-E_annotation*.xlsx")
    corpus, top = name_corpus(folder, "smic"), f"{camera}_long/SMIC-{camera}-E"

    def locate(row: Annotation) -> str:
        place = f"{top}/{row.subject}/{row.name}"
        return f"{place}/{find_pattern(folder / place, _ENDINGS, absent='image{:06d}.jpg')}"

    rows = _read_rows(table, corpus, camera)
    return release(amend(rows, lambda row: _count_as_files(row, folder / locate(row))), folder, locate)


def _read_rows(table: Path, corpus: str, camera: Camera) -> Iterator[Row]:
    for where, cells in table_rows(table, _COLUMNS):
        try:
            yield _read_row(cells, corpus, camera, where)
        except DatasetError as error:
            yield Fault(id="", reason=str(error))


def _read_row(cells: "pd.Series[str]", corpus: str, camera: Camera, where: str) -> Row:
    subject, name = read_subject(cells[_COLUMNS.subject], where), cells[_COLUMNS.name]
    if not cells[_COLUMNS.offset]:
        return LeftOut(id=clip_id(corpus, subject, name), reason="SMIC-E gives no offset and no long clip")
    first = read_number(cells, "FirstF", where)
    apex = cells.get(_APEX, "")
    return Annotation(
        corpus=corpus,
        vocabulary="smic",
        subject=subject,
        name=name,
        emotion=spell(cells[_COLUMNS.emotion]),
        action_units="",
        onset=read_number(cells, _COLUMNS.onset, where) - first,
        apex=read_number(cells, _APEX, where) - first if apex else None,
        offset=read_number(cells, _COLUMNS.offset, where) - first,
        fps=FPS[camera],
        where=where,
    )


def _count_as_files(row: Annotation, frames: Path) -> Annotation:
    """The row, whose numbers count from the long clip's first frame, with the numbers of the files."""
    numbers = find_frames(frames.parent, frames.name)
    if not numbers:
        return row  # which joining it with its frames will refuse
    apex = None if row.apex is None else row.apex + numbers[0]
    return replace(row, onset=row.onset + numbers[0], apex=apex, offset=row.offset + numbers[0])
