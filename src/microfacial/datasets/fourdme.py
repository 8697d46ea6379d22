"""4DME as released: the table of micro-expressions, and the frames of the grey videos.

Layout: `4DME_Labelling_Micro*.xlsx`, and `<subject>/<clip>/Frame_<N>.jpg` in one of the folders `gray_micro_crop`,
`micro_short_gray_video_cropped` or `gray_micro`. The first that contains a folder is read. N is the last integer of the
name, zero-padded to nine digits, and is the frame number in the table. The depth and colour videos and the meshes are
not read.

A clip can have several emotions, such as `Surprise+Positive`. They are sorted, so that `Positive+Surprise` is the same.
No scheme has a class for them, so such clips are left out. A unit with the mark `(k)` is held throughout the clip.

In version 1 of the table, the action units of the data rows 145 and 146 are exchanged; this is corrected, with a note.
The source is public code of the authors' group (tvaranka/meb, meb/datasets/datasets.py).

These facts could not be verified on a release:

- The rate of 60 frames per second.
- The padding of frame numbers and the names of the folders, which differ between public programs.
- How often each emotion occurs, and which of them occur together.

Source: Li et al., 4DME, IEEE Transactions on Affective Computing 2022, doi:10.1109/TAFFC.2022.3182342.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from microfacial.datasets.annotation_table import Columns, read_annotations
from microfacial.datasets.annotations import Annotation, AnnotationRow, Release, name_corpus
from microfacial.datasets.cells import pad_number, require_own_clip
from microfacial.datasets.clips import find_variant, make_release
from microfacial.datasets.folders import FRAME_EXTENSIONS, find_pattern
from microfacial.datasets.label_schemes import join_emotions
from microfacial.datasets.table_files import find_table

if TYPE_CHECKING:  # importing it takes half a second
    import pandas as pd


_FPS = 60.0
_COLUMNS = Columns(
    subject="sub_ID",
    name="fold_name",
    onset="Onset",
    apex="Apex",
    offset="Offset",
    action_units="AUs",
    emotion="Emotion",
    clip_names=".+",
)
_CROPPED = ("gray_micro_crop", "micro_short_gray_video_cropped")
_VARIANTS = (*_CROPPED, "gray_micro")
_VERSION_1 = "4dme_labelling_micro_release v1"
_ROWS_OF_VERSION_1 = 267
_EXCHANGED = (144, 145)  # counted from zero


def open_4dme(folder: Path) -> Release:
    """Read a release of 4DME: its table, and the first of `_VARIANTS` of the frames that is on disk.

    If there are several tables, `find_table` takes the one with the highest version, then with the latest date.

    Args:
        folder: folder of the release.

    Raises:
        DatasetError: the table is missing, unreadable or lacks a column.
    """
    table = find_table(folder, "4DME", "4DME_Labelling_Micro*.xlsx", columns=_COLUMNS)
    corpus, variant = name_corpus(folder, "4dme"), find_variant(folder, _VARIANTS)
    cropped = variant in _CROPPED
    annotations = read_annotations(table, _COLUMNS, corpus, "4dme", _FPS, identify=_identify, cropped=cropped)
    rows = [
        replace(row, emotion=join_emotions(row.emotion)) if isinstance(row, Annotation) else row for row in annotations
    ]
    if table.stem.lower() == _VERSION_1 and len(rows) == _ROWS_OF_VERSION_1:
        rows = _exchange_units(rows)

    def locate(row: Annotation) -> str:
        place = f"{variant}/{row.subject}/{row.name}"
        return f"{place}/{find_pattern(folder / place, FRAME_EXTENSIONS, 'Frame_{:09d}.jpg')}"

    return make_release(tuple(rows), folder, locate)


def _identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    subject, name = cells[_COLUMNS.subject], cells[_COLUMNS.name]
    match = re.match("[Ss]([0-9]+)_", name)
    if match is not None:
        person = subject.partition("_")[0]  # some subjects have the number of a session, such as S13_1st
        require_own_clip(pad_number(person, 2), name, match[1], where)
    return subject, name


def _exchange_units(rows: Sequence[AnnotationRow]) -> list[AnnotationRow]:
    """Return the rows with the action units of two rows exchanged."""
    changed = list(rows)
    first, second = (rows[place] for place in _EXCHANGED)
    if isinstance(first, Annotation) and isinstance(second, Annotation):
        for place, row, other in zip(_EXCHANGED, (first, second), (second, first), strict=True):
            note = (
                f"action units {row.action_units} exchanged with those of {other.name}: the table has them in the "
                "wrong rows (tvaranka/meb, meb/datasets/datasets.py)"
            )
            changed[place] = replace(row, action_units=other.action_units, notes=(*row.notes, note))
    return changed
