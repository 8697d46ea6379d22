"""CASME II as released: the coding spreadsheet and the `Cropped` frames.

Layout: `CASME2-coding-<date>.xlsx`, `Cropped/sub01/EP02_01f/reg_img<N>.jpg`; N is not zero-padded and is the number
that the sheet annotates. The sheet has two blank columns; subjects are text; one apex is `/`. Clip names are taken as
they are: dropping their `f` or third field would merge distinct clips.

Source: Yan et al., CASME II, PLoS ONE 2014, doi:10.1371/journal.pone.0086041.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from microfacial.datasets.annotations import Annotation, make_clip
from microfacial.datasets.schemes import Scheme
from microfacial.errors import DatasetError
from microfacial.records import DEMO_CORPUS, Clip
from microfacial.storage import read_table

FPS = 200.0
SYNTHETIC_MARKER = "SYNTHETIC.txt"  # stands beside the sheet of the demo, whose clips must not pass for CASME II's
_COLUMNS = ("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion")


def read(root: Path, scheme: Scheme, exclude: frozenset[str], max_gap: int) -> Iterator[Clip | str]:
    """Yield a Clip for each annotated row that the scheme keeps, or the emotion of a row that it leaves out.

    Raises:
        DatasetError: the sheet is missing or lacks a column, a label is unknown, or a clip's frames are.
    """
    corpus = DEMO_CORPUS if (root / SYNTHETIC_MARKER).exists() else "casme2"
    for row in _read_annotations(_find_sheet(root), corpus):
        if row.id in exclude:
            continue
        label = scheme.label(row.emotion, row.id)
        if label is None:
            yield row.emotion
        else:
            frames = f"Cropped/{row.subject}/{row.name}/reg_img{{}}.jpg"
            yield make_clip(row, label, root, frames, max_gap)


def _find_sheet(root: Path) -> Path:
    sheets = sorted(root.glob("CASME2-coding-*.xlsx"))
    if not sheets:
        raise DatasetError(
            f"CASME II: no CASME2-coding-*.xlsx in {root}. Put the release there or correct clips.root in params.yaml"
        )
    return sheets[-1]


def _read_annotations(sheet: Path, corpus: str) -> Iterator[Annotation]:
    table = read_table(sheet)
    missing = [column for column in _COLUMNS if column not in table.columns]
    if missing:
        raise DatasetError(f"{sheet}: no column {', '.join(missing)} (found {', '.join(filter(None, table.columns))})")
    for line, row in table.iterrows():
        if any(row):
            yield _read_row(row, corpus, f"{sheet.name}, row {int(str(line)) + 2}")


def _read_row(row: "pd.Series[str]", corpus: str, where: str) -> Annotation:
    if not row["Subject"] or not row["Filename"]:
        raise DatasetError(f"{where}: has no Subject or no Filename. Correct the sheet")
    onset, offset = (_read_number(row[column], column, where) for column in ("OnsetFrame", "OffsetFrame"))
    apex = None if row["ApexFrame"] in ("/", "") else _read_number(row["ApexFrame"], "ApexFrame", where)
    return Annotation(
        corpus=corpus,
        subject=f"sub{row['Subject']:0>2}",
        name=row["Filename"],
        emotion=row["Estimated Emotion"].lower(),
        action_units=row["Action Units"],
        onset=onset,
        apex=apex,
        offset=offset,
        fps=FPS,
    )


def _read_number(text: str, column: str, where: str) -> int:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number.is_integer():
        raise DatasetError(f"{where}: {column} is {text!r}, not a frame number. Correct the sheet")
    return int(number)
