"""CAS(ME)^3, part A, as released: the table of micro-expressions and the colour frames of whole videos.

Layout: `cas(me)3_part_A_ME_label_JpgIndex*.xlsx`, the last by name, and `part_A/spNO.1/a/color/<N>.jpg`; N is not
zero-padded and is the number that the table annotates. A video holds several micro-expressions, so a clip is named
after its video and its onset, such as `a_120`. The table writes videos in upper or lower case.

Source: Li et al., CAS(ME)^3, IEEE TPAMI 2023, doi:10.1109/TPAMI.2022.3174895.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from microfacial.datasets.annotations import Annotation, Columns, find_table, join, read_annotations
from microfacial.datasets.schemes import Scheme
from microfacial.records import Clip

FPS = 30.0
_COLUMNS = Columns(onset="Onset", apex="Apex", offset="Offset", action_units="AU", emotion="emotion")


def read(root: Path, scheme: Scheme, exclude: frozenset[str], max_gap: int) -> Iterator[Clip | str]:
    """Yield a Clip for each annotated row that the scheme keeps, or the emotion of a row that it leaves out.

    Raises:
        DatasetError: the table is missing or lacks a column, a label is unknown, or a clip's frames are.
    """
    table = find_table(root, "CAS(ME)^3", "cas(me)3_part_A_ME_label_JpgIndex*.xlsx")
    found = read_annotations(table, _COLUMNS, "casme3", FPS, sheet="label")
    rows = (replace(row, name=f"{row.name.lower()}_{row.onset}") for row in found)

    def locate(row: Annotation) -> str:
        video, _, _ = row.name.rpartition("_")
        return f"part_A/{row.subject}/{_find_video(root / 'part_A' / row.subject, video)}/color/{{}}.jpg"

    return join(rows, scheme, exclude, max_gap, root, locate)


def _find_video(folder: Path, video: str) -> str:
    """The folder of a video as it is written on disk."""
    return next((path.name for path in sorted(folder.glob("*")) if path.name.lower() == video), video)
