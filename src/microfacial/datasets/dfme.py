"""DFME as released: up to three tables, one for each part of the corpus, and one folder of frames per clip.

Layout: `training_full_with_AU.xlsx`, `testA*.xlsx` and `testB*.xlsx` (also with names such as `test_A_full_with_AU`),
in the root or in `full_release_annotation`. All that are there are read and joined. Frames are in `sub0001_01/<N>.png`,
anywhere in the three levels of folders below the root. N counts from zero and is zero-padded to five digits.
The frames of a video in place of a folder count from 1, so the moments of its row are one higher.

Three cameras were used. The column `Fps` gives the frame rate of each row: 200, 300 or 500. No subject is in two of the
tables.

These facts could not be verified on a release:

- The names of the folders above the clips. Public code has `train_data` and `DFME_train`. If a clip has two folders,
  such as a raw and a cropped one, the first in alphabetical order of the paths is read.
- Whether the frames are cropped to the face. They are taken as not cropped, so the face is located in each.
- The official division into a training set and two test sets is not kept. A protocol divides the subjects.

Source: Zhao et al., DFME, IEEE Transactions on Affective Computing 2024, doi:10.1109/TAFFC.2023.3341918.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from microfacial.datasets.annotation_table import Columns, read_annotations
from microfacial.datasets.annotations import Annotation, Release, name_corpus
from microfacial.datasets.cells import parse_rate, require_own_clip, show_cell
from microfacial.datasets.clips import find_video, frames_folder, make_release
from microfacial.datasets.folders import FRAME_EXTENSIONS, find_pattern, list_folder
from microfacial.datasets.table_files import find_tables
from microfacial.errors import DatasetError

if TYPE_CHECKING:  # importing it takes half a second
    import pandas as pd


_FPS = "Fps"
_CLIP_NAME = "sub([0-9]{4})_[0-9]+"
_COLUMNS = Columns(
    onset="OnsetFrame",
    apex="ApexFrame",
    offset="OffsetFrame",
    action_units="AU",
    emotion="Emotion",
    others=(_FPS,),
    clip_names=_CLIP_NAME,
)
_TABLES = ("*training_full*.xls*", "*test*full*.xls*", "testa*.xls*", "testb*.xls*")
_TABLE_FOLDERS = ("full_release_annotation", "full_release_annotation/full_release_annotation")
_DEEPEST = 3  # levels of folders above the folders of clips
_FRAMES = "train_data"


def open_dfme(folder: Path) -> Release:
    """Read a release of DFME: its tables, and the folders of its clips.

    Args:
        folder: folder of the release.

    Raises:
        DatasetError: there is no table, or a table is unreadable or lacks a column.
    """
    tables = find_tables(folder, "DFME", _TABLES, _TABLE_FOLDERS, columns=_COLUMNS)
    corpus, places = name_corpus(folder, "dfme"), dict(_find_clips(folder, folder, _DEEPEST))
    rows = [
        row
        for table in tables
        for row in read_annotations(table, _COLUMNS, corpus, "dfme", _read_fps, identify=_identify)
    ]

    def find_place(row: Annotation) -> str:
        return places.get(row.name, f"{_FRAMES}/{row.name}")

    def locate(row: Annotation) -> str:
        place = find_place(row)
        return f"{place}/{find_pattern(folder / place, FRAME_EXTENSIONS, '{:05d}.png')}"

    numbered = (
        _number_as_stored(row, folder / find_place(row)) if isinstance(row, Annotation) else row for row in rows
    )
    return make_release(tuple(numbered), folder, locate)


def _number_as_stored(row: Annotation, frames: Path) -> Annotation:
    """Return a row whose moments count from 1 if a video replaces the folder of frames."""
    if find_video(frames) is None:
        return row
    apex = None if row.apex is None else row.apex + 1
    notes = (*row.notes, "frames counted from 1 on, as in a video, not from 0")
    return replace(row, onset=row.onset + 1, apex=apex, offset=row.offset + 1, notes=notes)


def _identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    """Return the subject as the clip name gives it, and the clip name. The column of subjects must agree with it."""
    subject, name = cells[_COLUMNS.subject], cells[_COLUMNS.name]
    match = re.fullmatch(_CLIP_NAME, name)
    if match is None:
        raise DatasetError(
            f"{where}: {show_cell(name)} is not a clip name of DFME, such as sub0001_01. Correct the sheet"
        )
    require_own_clip(subject.strip().lower(), name, match[1], where)
    return f"sub{match[1]}", name


def _read_fps(cells: "pd.Series[str]", where: str) -> float:
    return parse_rate(cells[_FPS], _FPS, where)


def _find_clips(folder: Path, root: Path, levels: int) -> Iterator[tuple[str, str]]:
    """Yield the name of each clip and its folder below the root, in descending order of the paths."""
    for path in sorted(list_folder(folder), reverse=True):
        clip = frames_folder(path)
        if clip is not None and re.fullmatch(_CLIP_NAME, clip.name):
            yield clip.name, clip.relative_to(root).as_posix()
        elif levels and path.is_dir():
            yield from _find_clips(path, root, levels - 1)
