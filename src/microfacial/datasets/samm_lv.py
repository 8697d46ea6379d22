"""SAMM Long Videos: the micro-expressions of SAMM in the long videos from which they were cut.

Layout: `SAMM_LongVideos_V<k>_Release.xlsx`, the coding spreadsheet of SAMM (see `samm`), and
`SAMM_longvideos/006_1/006_1_<N>.jpg`. N is zero-padded to four or five digits and is the frame number in the table. If
there are several tables, the one with the highest version is read. The folder of the release is that of SAMM.

The table has a row per expression. Its header is below some notes. Macro-expressions are left out. The table has no
emotions; they are in the spreadsheet of SAMM, under the same clip name. The first two numbers of a clip name are the
video. A clip has the id that it has in SAMM, so a data set can contain only one of the two releases.

These facts could not be verified on a release:

- Whether SAMM's spreadsheet contains all micro-expressions of the table. A row without an emotion is refused.
- Public code rounds onset, apex and offset. A number with a fraction is refused here.
- Public code shortens the macro-expressions 020_6_5 and 036_7_4, whose offset is after the last frame. They are left
  out in any case.

Source: Yap et al., SAMM Long Videos, FG 2020, arXiv:1911.01519.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from microfacial.datasets.annotation_table import Columns, is_macro, make_annotation, read_rows, skip_macro
from microfacial.datasets.annotations import (
    Annotation,
    AnnotationRow,
    FaultyRow,
    Release,
    SkippedRow,
    clip_id,
    name_corpus,
)
from microfacial.datasets.cells import pad_number
from microfacial.datasets.clips import make_release
from microfacial.datasets.folders import FRAME_EXTENSIONS, find_pattern
from microfacial.datasets.samm import LONG_VIDEOS, SAMM_FPS, read_samm_sheet
from microfacial.datasets.table_files import find_table
from microfacial.errors import AbsentError, DatasetError

if TYPE_CHECKING:  # importing it takes half a second
    import pandas as pd


_TYPE = "Type"
_COLUMNS = Columns(
    onset="Onset",
    apex="Apex",
    offset="Offset",
    action_units="Action Units",
    emotion=_TYPE,  # the only label in this table; emotions are in the spreadsheet of SAMM
    clip_names="[0-9]{3}_[0-9]+_[0-9]+",
)
_SHEET = "FACS_Movement_Only"


def open_samm_lv(folder: Path) -> Release:
    """Read the long videos of SAMM: their table, the emotions in the sheet of SAMM, and the frames of the videos.

    If there are several tables, `find_table` takes the one with the highest version, then with the latest date.

    Args:
        folder: folder of the release.

    Raises:
        DatasetError: the table or the sheet of SAMM is missing, unreadable or lacks a column.
    """
    table = find_table(folder, "SAMM Long Videos", "SAMM_LongVideos_V*.xls*", columns=_COLUMNS, sheet=_SHEET)
    corpus, samm_rows = name_corpus(folder, "samm"), _read_emotions(folder, table)

    def read(cells: "pd.Series[str]", subject: str, name: str, where: str) -> AnnotationRow:
        annotate = partial(
            make_annotation,
            cells,
            _COLUMNS,
            corpus=corpus,
            vocabulary="samm",
            subject=subject,
            name=name,
            fps=SAMM_FPS,
            where=where,
        )
        if is_macro(cells[_TYPE], where):
            return skip_macro(corpus, subject, name, annotate)
        samm_row = samm_rows.get(name)
        if isinstance(samm_row, FaultyRow):
            raise DatasetError(f"{where}: the emotion of {name} is in a faulty row. {samm_row.reason}")
        if samm_row is None:
            raise DatasetError(
                f"{where}: {name} has no emotion in the sheet of SAMM. Correct its name or list "
                f"{clip_id(corpus, subject, name)} under clips.exclude"
            )
        if samm_row.subject != subject:
            raise DatasetError(
                f"{where}: {name} is a clip of subject {subject}, but of subject {samm_row.subject} in the sheet of "
                "SAMM. Correct one of them"
            )
        return replace(annotate(), emotion=samm_row.emotion)

    def locate(row: Annotation) -> str:
        video = "_".join(row.name.split("_")[:2])
        place = f"{LONG_VIDEOS}/{video}"
        return f"{place}/{find_pattern(folder / place, FRAME_EXTENSIONS, f'{video}_{{:04d}}.jpg')}"

    return make_release(tuple(read_rows(table, _COLUMNS, corpus, _identify, read, _SHEET)), folder, locate)


def _read_emotions(folder: Path, table: Path) -> Mapping[str, Annotation | FaultyRow]:
    """Return the row of each clip in the sheet of SAMM. Rows that contradict each other are faulty."""
    try:
        rows = read_samm_sheet(folder)
    except AbsentError as error:
        raise DatasetError(f"{table}: its emotions are in the sheet of SAMM. {error}") from None
    found: dict[str, Annotation | FaultyRow] = {}
    for row in rows:
        if isinstance(row, SkippedRow):
            continue
        name = row.id.rpartition("/")[2]
        other = found.setdefault(name, row)
        if isinstance(row, Annotation) and isinstance(other, Annotation) and row.emotion != other.emotion:
            reason = f"The sheet of SAMM has the emotions {other.emotion} and {row.emotion}. Remove one of the rows"
            found[name] = FaultyRow(id=row.id, reason=reason)
    return found


def _identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    return pad_number(cells[_COLUMNS.subject], 3), cells[_COLUMNS.name]
