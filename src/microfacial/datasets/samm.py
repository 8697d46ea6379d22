"""SAMM as released: the coding spreadsheet of micro-movements, and one folder of frames per clip.

Layout: `SAMM*Micro_FACS_Codes_v<k>.xlsx`, and `006/006_1_2/006_<N>.jpg` in the folder `SAMM_CROP` or `SAMM`. The first
of them that contains a folder is read. N is the last integer of the name, zero-padded to four or five digits, and is
the frame number in the sheet. If there are several sheets, the one with the highest version is read, then the one with
the latest date. The header of the sheet is below some notes. Two apexes are outside their clips; see `corrections`.

Source: Davison et al., SAMM, IEEE Transactions on Affective Computing 2018, doi:10.1109/TAFFC.2016.2573832.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from microfacial.datasets.annotation_table import Columns, read_annotations
from microfacial.datasets.annotations import Annotation, AnnotationRow, Release, name_corpus
from microfacial.datasets.cells import pad_number, require_own_clip
from microfacial.datasets.clips import find_variant, make_release
from microfacial.datasets.folders import FRAME_EXTENSIONS, find_pattern
from microfacial.datasets.table_files import find_table
from microfacial.errors import AbsentError

if TYPE_CHECKING:  # importing it takes half a second
    import pandas as pd


SAMM_FPS = 200.0
LONG_VIDEOS = "SAMM_longvideos"
"""Folder of the long videos, which `samm_lv` reads."""

_COLUMNS = Columns(
    onset="Onset Frame",
    apex="Apex Frame",
    offset="Offset Frame",
    action_units="Action Units",
    emotion="Estimated Emotion",
    clip_names="[0-9]{3}_[0-9]+_[0-9]+",
)
_SHEET = "MICRO_ONLY"
_CROPPED = "SAMM_CROP"
_VARIANTS = (_CROPPED, "SAMM")


def open_samm(folder: Path) -> Release:
    """Read a release of SAMM: its table, and the first of `_VARIANTS` of the frames that is on disk.

    If there are several tables, `find_table` takes the one with the highest version, then with the latest date.

    Args:
        folder: folder of the release.

    Raises:
        AbsentError: there are only long videos.
        DatasetError: the sheet is missing, unreadable or lacks a column.
    """
    variant = find_variant(folder, _VARIANTS)
    rows = read_samm_sheet(folder, cropped=variant == _CROPPED)
    if (folder / LONG_VIDEOS).is_dir() and not any((folder / name).is_dir() for name in _VARIANTS):
        raise AbsentError(
            f"SAMM: no {' or '.join(_VARIANTS)} in {folder}, but {LONG_VIDEOS}. Put the release there or list samm_lv "
            "under clips.corpora in params.yaml"
        )

    def locate(row: Annotation) -> str:
        place = f"{variant}/{row.subject}/{row.name}"
        return f"{place}/{find_pattern(folder / place, FRAME_EXTENSIONS, f'{row.subject}_{{}}.jpg')}"

    return make_release(rows, folder, locate)


def read_samm_sheet(folder: Path, *, cropped: bool = False) -> tuple[AnnotationRow, ...]:
    """Return the rows of the coding spreadsheet of SAMM.

    Args:
        folder: folder of the release.
        cropped: whether the frames of the release are cropped to the face.

    Raises:
        DatasetError: the sheet is missing, unreadable or lacks a column.
    """
    table = find_table(folder, "SAMM", "SAMM*Micro_FACS_Codes_v*.xlsx", columns=_COLUMNS, sheet=_SHEET)
    corpus = name_corpus(folder, "samm")
    return tuple(
        read_annotations(table, _COLUMNS, corpus, "samm", SAMM_FPS, identify=_identify, sheet=_SHEET, cropped=cropped)
    )


def _identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    subject, name = pad_number(cells[_COLUMNS.subject], 3), cells[_COLUMNS.name]
    match = re.match("[A-Za-z]*([0-9]+)_", name)
    if match is not None:
        require_own_clip(subject, name, match[1], where)
    return subject, name
