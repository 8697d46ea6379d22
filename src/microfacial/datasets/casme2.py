"""CASME II as released: a coding spreadsheet of 2014 or 2019, and cropped or raw frames.

Layout: `CASME2-coding-<date>.xlsx`, and frames in one of these folders. The first that contains a folder is read.

    Cropped/sub01/EP02_01f/reg_img<N>.jpg
    CASME2_RAW, CASME2-RAW or CASME2_RAW_selected/sub01/EP02_01f/img<N>.jpg

N is not zero-padded and is the frame number in the sheet. If there are several sheets, the latest is read. The sheet
has two blank columns, its subjects are text, and one apex is `/`. Clip names are kept as they are, because without
their `f` or their third field some distinct clips would have the same name.

Source: Yan et al., CASME II, PLoS ONE 2014, doi:10.1371/journal.pone.0086041.
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


_FPS = 200.0
_COLUMNS = Columns(
    onset="OnsetFrame",
    apex="ApexFrame",
    offset="OffsetFrame",
    action_units="Action Units",
    emotion="Estimated Emotion",
    clip_names="EP[0-9].*",
)
_CROPPED = "Cropped"
_VARIANTS = (_CROPPED, "CASME2_RAW", "CASME2-RAW", "CASME2_RAW_selected")


def open_casme2(folder: Path) -> Release:
    """Read a release of CASME II: its table, and the first of `_VARIANTS` of the frames that is on disk.

    If there are several tables, `find_table` takes the one with the highest version, then with the latest date.

    Args:
        folder: folder of the release.

    Raises:
        DatasetError: the sheet is missing, unreadable or lacks a column.
    """
    table = find_table(folder, "CASME II", "CASME2-coding-*.xlsx", columns=_COLUMNS)
    variant = find_variant(folder, _VARIANTS)
    cropped = variant == _CROPPED
    default = "reg_img{}.jpg" if cropped else "img{}.jpg"
    corpus = name_corpus(folder, "casme2")
    rows = read_annotations(table, _COLUMNS, corpus, "casme2", _FPS, identify=_identify, cropped=cropped)

    def locate(row: Annotation) -> str:
        place = f"{variant}/{row.subject}/{row.name}"
        return f"{place}/{find_pattern(folder / place, FRAME_EXTENSIONS, default, prefer_default=True)}"

    return make_release(tuple(rows), folder, locate)


def _identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    return f"sub{pad_number(cells[_COLUMNS.subject], 2)}", cells[_COLUMNS.name]
