"""CASME, as released: a coding spreadsheet, and one folder of frames per clip.

Layout: `CASME-coded-<date>.xls`, and frames in one of these folders. The first that contains a folder is read.

    Cropped/sub01/EP01_12/reg_EP01_12-<N>.jpg
    CASME_raw_selected, CASME_raw or CASME/sub01/EP01_12/EP01_12-<N>.jpg

The sheet is an old Excel file. It must be saved as .xlsx, because only that format is read. It has two blank columns,
and a backslash in empty cells. N is the frame number in the sheet. It is zero-padded to three digits in some clips and
not padded in others. `ApexF1` and `ApexF2` are the first and the last frame of the apex phase; the first is the apex.
The second is given in 125 of the 193 rows of 2019. The emotion `tense` stands for action unit 4 alone.

These facts could not be verified on a release:

- The names of the folders of raw frames differ between public programs.
- Public code (tvaranka/meb, meb/datasets/datasets.py) corrects the onset or the offset of five rows. It names them by
  their numbers in a table of 189 rows. The table of 2019 has 193 rows, so it is not known which clips these are. They
  are not corrected here. A clip whose onset or offset has no frame is refused by name.
- How often each emotion occurs in the sheet is not public, and it may contain other emotions than the paper lists.

Source: Yan et al., CASME Database, FG 2013, doi:10.1109/FG.2013.6553799.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from microfacial.datasets.annotation_table import Columns, read_annotations
from microfacial.datasets.annotations import Annotation, Release, name_corpus
from microfacial.datasets.cells import pad_number
from microfacial.datasets.clips import find_variant, make_release
from microfacial.datasets.folders import FRAME_EXTENSIONS, find_pattern
from microfacial.datasets.table_files import find_table

if TYPE_CHECKING:  # importing it takes half a second
    import pandas as pd


_FPS = 60.0
_COLUMNS = Columns(
    onset="OnsetF",
    apex="ApexF1",
    offset="OffsetF",
    action_units="AU",
    emotion="Emotion",
    optional=("ApexF2",),
    clip_names="EP[0-9].*",
)
_CROPPED = "Cropped"
_VARIANTS = (_CROPPED, "CASME_raw_selected", "CASME_raw", "CASME")


def open_casme(folder: Path) -> Release:
    """Read a release of CASME: its table, and the first of `_VARIANTS` of the frames that is on disk.

    If there are several tables, `find_table` takes the one with the highest version, then with the latest date.

    Args:
        folder: folder of the release.

    Raises:
        DatasetError: the sheet is missing, unreadable or lacks a column.
    """
    table = find_table(folder, "CASME", "CASME-cod*.xls*", columns=_COLUMNS)
    variant = find_variant(folder, _VARIANTS)
    cropped = variant == _CROPPED
    rows = read_annotations(
        table, _COLUMNS, name_corpus(folder, "casme"), "casme", _FPS, identify=_identify, cropped=cropped
    )

    def locate(row: Annotation) -> str:
        place = f"{variant}/{row.subject}/{row.name}"
        default = f"reg_{row.name}-{{}}.jpg" if cropped else f"{row.name}-{{}}.jpg"
        return f"{place}/{find_pattern(folder / place, FRAME_EXTENSIONS, default)}"

    return make_release(tuple(rows), folder, locate)


def _identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    return f"sub{pad_number(cells[_COLUMNS.subject], 2)}", cells[_COLUMNS.name]
