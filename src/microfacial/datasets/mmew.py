"""MMEW as released: the table of micro-expressions and one folder of cropped frames a clip.

Layout: `MMEW_Micro_Exp*.xlsx`, the last by name, beside or in `MMEW_Final`, and
`MMEW_Final/Micro_Expression/<emotion>/S13-07-001/<N>.jpg`; N counts from 1 and is not zero-padded. A clip is named
after person, emotion and sample; its person is the subject.

Source: Ben et al., MMEW, IEEE TPAMI 2022, doi:10.1109/TPAMI.2021.3067464.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from microfacial.datasets.annotations import Annotation, Columns, find_table, join, read_annotations
from microfacial.datasets.schemes import Scheme
from microfacial.errors import DatasetError
from microfacial.records import Clip

FPS = 90.0
_COLUMNS = Columns(
    onset="OnsetFrame",
    apex="ApexFrame",
    offset="OffsetFrame",
    action_units="Action Units",
    emotion="Estimated Emotion",
)
_FRAMES = "MMEW_Final/Micro_Expression"


def read(root: Path, scheme: Scheme, exclude: frozenset[str], max_gap: int) -> Iterator[Clip | str]:
    """Yield a Clip for each annotated row that the scheme keeps, or the emotion of a row that it leaves out.

    Raises:
        DatasetError: the table is missing or lacks a column, a label or a clip's name is unknown, or its frames are.
    """
    table = find_table(root, "MMEW", "MMEW_Micro_Exp*.xlsx")
    found = read_annotations(table, _COLUMNS, "mmew", FPS)
    rows = (replace(row, subject=_subject(row.name, table)) for row in found)
    emotions = {folder.name: folder.parent.name for folder in sorted((root / _FRAMES).glob("*/*"))}

    def locate(row: Annotation) -> str:
        return f"{_FRAMES}/{emotions.get(row.name, row.emotion)}/{row.name}/{{}}.jpg"

    return join(rows, scheme, exclude, max_gap, root, locate)


def _subject(name: str, table: Path) -> str:
    match = re.fullmatch(r"(S\d+)-\d+-\d+", name)
    if match is None:
        raise DatasetError(f"{table}: {name!r} is no clip of MMEW (S13-07-001). Correct the sheet")
    return match[1]
