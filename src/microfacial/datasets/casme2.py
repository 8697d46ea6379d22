"""CASME II as released: a coding spreadsheet, of 2014 or 2019, and frames, cropped or raw.

Layout: `CASME2-coding-<date>.xlsx`, the latest if there are several; frames of the first folder that is there of
`Cropped/sub01/EP02_01f/reg_img<N>.jpg`, then `CASME2_RAW`, `CASME2-RAW` and `CASME2_RAW_selected` with
`sub01/EP02_01f/img<N>.jpg`. N is not zero-padded and is the number that the sheet annotates. The sheet has two blank
columns; subjects are text; one apex is `/`. Clip names are taken as they are: dropping their `f` or third field would
merge distinct clips.

Source: Yan et al., CASME II, PLoS ONE 2014, doi:10.1371/journal.pone.0086041.
"""

from dataclasses import replace
from pathlib import Path

from microfacial.datasets.annotations import (
    Annotation,
    Columns,
    Release,
    amend,
    find_table,
    name_corpus,
    read_annotations,
)
from microfacial.datasets.clips import release

FPS = 200.0
_COLUMNS = Columns(
    onset="OnsetFrame",
    apex="ApexFrame",
    offset="OffsetFrame",
    action_units="Action Units",
    emotion="Estimated Emotion",
)
_CROPPED = ("Cropped", "reg_img{}.jpg")
_VARIANTS = (
    _CROPPED,
    ("CASME2_RAW", "img{}.jpg"),
    ("CASME2-RAW", "img{}.jpg"),
    ("CASME2_RAW_selected", "img{}.jpg"),
)


def open_release(folder: Path) -> Release:
    """The rows of the sheet, and the frames of the first variant that is there.

    Raises:
        DatasetError: the sheet is missing or lacks a column.
    """
    table = find_table(folder, "CASME II", "CASME2-coding-*.xlsx")
    found = read_annotations(table, _COLUMNS, name_corpus(folder, "casme2"), "casme2", FPS)
    variant, frame = next((one for one in _VARIANTS if (folder / one[0]).is_dir()), _CROPPED)
    cropped = variant == _CROPPED[0]
    rows = amend(found, lambda row: replace(row, subject=f"sub{row.subject:0>2}", cropped=cropped))

    def locate(row: Annotation) -> str:
        return f"{variant}/{row.subject}/{row.name}/{frame}"

    return release(rows, folder, locate)
