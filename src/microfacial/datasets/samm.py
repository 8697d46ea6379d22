"""SAMM as released: the coding spreadsheet of micro-movements and one folder of frames a clip.

Layout: `SAMM*Micro_FACS_Codes_v<k>.xlsx`, whose header stands below notes; frames of the first folder that is there of
`SAMM_CROP` and `SAMM`, as `006/006_1_2/006_<N>.jpg`. N is the last integer of the name, zero-padded to four or five
digits as it comes, and the number that the sheet annotates. Two apexes lie outside their clips; see `patches`.

Source: Davison et al., SAMM, IEEE Transactions on Affective Computing 2018, doi:10.1109/TAFFC.2016.2573832.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from microfacial.datasets.annotations import Annotation, Columns, find_table, join, read_annotations
from microfacial.datasets.schemes import Scheme
from microfacial.frames import find_pattern
from microfacial.records import Clip

FPS = 200.0
_COLUMNS = Columns(
    onset="Onset Frame",
    apex="Apex Frame",
    offset="Offset Frame",
    action_units="Action Units",
    emotion="Estimated Emotion",
)
_VARIANTS = ("SAMM_CROP", "SAMM")


def read(root: Path, scheme: Scheme, exclude: frozenset[str], max_gap: int) -> Iterator[Clip | str]:
    """Yield a Clip for each annotated row that the scheme keeps, or the emotion of a row that it leaves out.

    Raises:
        DatasetError: the sheet is missing or lacks a column, a label is unknown, or a clip's frames are.
    """
    table = find_table(root, "SAMM", "SAMM*Micro_FACS_Codes_v*.xlsx")
    found = read_annotations(table, _COLUMNS, "samm", FPS, sheet="MICRO_ONLY")
    rows = (replace(row, subject=f"{row.subject:0>3}") for row in found)
    variant = next((name for name in _VARIANTS if (root / name).is_dir()), "SAMM")

    def locate(row: Annotation) -> str:
        folder = f"{variant}/{row.subject}/{row.name}"
        return f"{folder}/{find_pattern(root / folder, ('.jpg',), absent=f'{row.subject}_{{}}.jpg')}"

    return join(rows, scheme, exclude, max_gap, root, locate)
