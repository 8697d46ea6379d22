"""CASME II as released: a coding spreadsheet, of 2014 or 2019, and frames, cropped or raw.

Layout: `CASME2-coding-<date>.xlsx`, the latest if there are several; frames of the first folder that is there of
`Cropped/sub01/EP02_01f/reg_img<N>.jpg`, then `CASME2_RAW`, `CASME2-RAW` and `CASME2_RAW_selected` with
`sub01/EP02_01f/img<N>.jpg`. N is not zero-padded and is the number that the sheet annotates. The sheet has two blank
columns; subjects are text; one apex is `/`. Clip names are taken as they are: dropping their `f` or third field would
merge distinct clips.

Source: Yan et al., CASME II, PLoS ONE 2014, doi:10.1371/journal.pone.0086041.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from microfacial.datasets.annotations import Annotation, Columns, find_table, join, read_annotations
from microfacial.datasets.schemes import Scheme
from microfacial.records import DEMO_CORPUS, Clip

FPS = 200.0
SYNTHETIC_MARKER = "SYNTHETIC.txt"  # stands beside the sheet of the demo, whose clips must not pass for CASME II's
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


def read(root: Path, scheme: Scheme, exclude: frozenset[str], max_gap: int) -> Iterator[Clip | str]:
    """Yield a Clip for each annotated row that the scheme keeps, or the emotion of a row that it leaves out.

    Raises:
        DatasetError: the sheet is missing or lacks a column, a label is unknown, or a clip's frames are.
    """
    corpus = DEMO_CORPUS if (root / SYNTHETIC_MARKER).exists() else "casme2"
    table = find_table(root, "CASME II", "CASME2-coding-*.xlsx")
    rows = (replace(row, subject=f"sub{row.subject:0>2}") for row in read_annotations(table, _COLUMNS, corpus, FPS))
    folder, frame = next((variant for variant in _VARIANTS if (root / variant[0]).is_dir()), _CROPPED)

    def locate(row: Annotation) -> str:
        return f"{folder}/{row.subject}/{row.name}/{frame}"

    return join(rows, scheme, exclude, max_gap, root, locate)
