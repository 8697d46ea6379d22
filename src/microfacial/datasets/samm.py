"""SAMM as released: the coding spreadsheet of micro-movements and one folder of frames a clip.

Layout: `SAMM*Micro_FACS_Codes_v<k>.xlsx`, the latest by version, then date, whose header stands below notes; frames of
the first folder that holds any of `SAMM_CROP` and `SAMM`, as `006/006_1_2/006_<N>.jpg`. N is the last integer of the
name, zero-padded to four or five digits as it comes, and the number that the sheet annotates. Two apexes lie outside
their clips; see `patches`.

Source: Davison et al., SAMM, IEEE Transactions on Affective Computing 2018, doi:10.1109/TAFFC.2016.2573832.
"""

from pathlib import Path

import pandas as pd

from microfacial.datasets.annotations import Annotation, Columns, Release, find_table, name_corpus, read_annotations
from microfacial.datasets.clips import find_variant, release
from microfacial.datasets.frames import find_pattern

_FPS = 200.0
_COLUMNS = Columns(
    onset="Onset Frame",
    apex="Apex Frame",
    offset="Offset Frame",
    action_units="Action Units",
    emotion="Estimated Emotion",
)
_CROPPED = "SAMM_CROP"
_VARIANTS = (_CROPPED, "SAMM")


def open_samm(folder: Path) -> Release:
    """The rows of the sheet, and the frames of the first variant that is there.

    Raises:
        DatasetError: the sheet is missing or lacks a column.
    """
    table = find_table(folder, "SAMM", "SAMM*Micro_FACS_Codes_v*.xlsx")
    corpus, variant = name_corpus(folder, "samm"), find_variant(folder, _VARIANTS)
    cropped = variant == _CROPPED
    rows = read_annotations(
        table, _COLUMNS, corpus, "samm", _FPS, identify=_identify, sheet="MICRO_ONLY", cropped=cropped
    )

    def locate(row: Annotation) -> str:
        place = f"{variant}/{row.subject}/{row.name}"
        return f"{place}/{find_pattern(folder / place, ('.jpg',), absent=f'{row.subject}_{{}}.jpg')}"

    return release(tuple(rows), folder, locate)


def _identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    return f"{cells[_COLUMNS.subject]:0>3}", cells[_COLUMNS.name]
