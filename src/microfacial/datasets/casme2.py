"""CASME II as released: a coding spreadsheet, of 2014 or 2019, and frames, cropped or raw.

Layout: `CASME2-coding-<date>.xlsx`, the latest if there are several; frames of the first folder that holds any of
`Cropped/sub01/EP02_01f/reg_img<N>.jpg`, then `CASME2_RAW`, `CASME2-RAW` and `CASME2_RAW_selected` with
`sub01/EP02_01f/img<N>.jpg`. N is not zero-padded and is the number that the sheet annotates. The sheet has two blank
columns; subjects are text; one apex is `/`. Clip names are taken as they are: dropping their `f` or third field would
merge distinct clips.

Source: Yan et al., CASME II, PLoS ONE 2014, doi:10.1371/journal.pone.0086041.
"""

from pathlib import Path

import pandas as pd

from microfacial.datasets.annotations import Annotation, Columns, Release, find_table, name_corpus, read_annotations
from microfacial.datasets.clips import find_variant, release

_FPS = 200.0
_COLUMNS = Columns(
    onset="OnsetFrame",
    apex="ApexFrame",
    offset="OffsetFrame",
    action_units="Action Units",
    emotion="Estimated Emotion",
)
_CROPPED = "Cropped"
_VARIANTS = (_CROPPED, "CASME2_RAW", "CASME2-RAW", "CASME2_RAW_selected")


def open_casme2(folder: Path) -> Release:
    """The rows of the sheet, and the frames of the first variant that is there.

    Raises:
        DatasetError: the sheet is missing or lacks a column.
    """
    table = find_table(folder, "CASME II", "CASME2-coding-*.xlsx")
    variant = find_variant(folder, _VARIANTS)
    cropped = variant == _CROPPED
    frame = "reg_img{}.jpg" if cropped else "img{}.jpg"
    corpus = name_corpus(folder, "casme2")
    rows = read_annotations(table, _COLUMNS, corpus, "casme2", _FPS, identify=_identify, cropped=cropped)

    def locate(row: Annotation) -> str:
        return f"{variant}/{row.subject}/{row.name}/{frame}"

    return release(tuple(rows), folder, locate)


def _identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    return f"sub{cells[_COLUMNS.subject]:0>2}", cells[_COLUMNS.name]
