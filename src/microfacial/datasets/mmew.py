"""MMEW as released: the table of micro-expressions and one folder of cropped frames a clip.

Layout: `MMEW_Micro_Exp*.xlsx`, the latest by version, beside or in `MMEW_Final`, and
`MMEW_Final/Micro_Expression/<emotion>/S13-07-001/<N>.jpg`; N counts from 1 and is not zero-padded. A clip is named
after person, emotion and sample; its person is the subject.

Source: Ben et al., MMEW, IEEE TPAMI 2022, doi:10.1109/TPAMI.2021.3067464.
"""

import re
from pathlib import Path

import pandas as pd

from microfacial.datasets.annotations import Annotation, Columns, Release, find_table, name_corpus, read_annotations
from microfacial.datasets.clips import release
from microfacial.errors import DatasetError

_FPS = 90.0
_COLUMNS = Columns(
    onset="OnsetFrame",
    apex="ApexFrame",
    offset="OffsetFrame",
    action_units="Action Units",
    emotion="Estimated Emotion",
)
_FRAMES = "MMEW_Final/Micro_Expression"


def open_mmew(folder: Path) -> Release:
    """The rows of the table, and the frames below the folders of emotions.

    Raises:
        DatasetError: the table is missing or lacks a column.
    """
    table = find_table(folder, "MMEW", "MMEW_Micro_Exp*.xlsx", folders=("MMEW_Final",))
    corpus = name_corpus(folder, "mmew")
    rows = read_annotations(table, _COLUMNS, corpus, "mmew", _FPS, identify=_identify, cropped=True)
    emotions = {clip.name: clip.parent.name for clip in sorted((folder / _FRAMES).glob("*/*"))}

    def locate(row: Annotation) -> str:
        return f"{_FRAMES}/{emotions.get(row.name, row.emotion)}/{row.name}/{{}}.jpg"

    return release(tuple(rows), folder, locate)


def _identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    name = cells[_COLUMNS.name]
    match = re.fullmatch(r"(S\d+)-\d+-\d+", name)
    if match is None:
        raise DatasetError(f"{where}: {name!r} is no clip of MMEW (S13-07-001). Correct the sheet")
    return match[1], name
