"""CAS(ME)^3, part A, as released: the table of micro-expressions and the colour frames of whole videos.

Layout: `cas(me)3_part_A_ME_label_JpgIndex*.xlsx`, the last by name, and `part_A/spNO.1/a/color/<N>.jpg`; N is not
zero-padded and is the number that the table annotates. A video holds several micro-expressions, so a clip is named
after its video and its onset, such as `a_120`. The table writes videos in upper or lower case.

Source: Li et al., CAS(ME)^3, IEEE TPAMI 2023, doi:10.1109/TPAMI.2022.3174895.
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

FPS = 30.0
_COLUMNS = Columns(onset="Onset", apex="Apex", offset="Offset", action_units="AU", emotion="emotion")


def open_release(folder: Path) -> Release:
    """The rows of the table, and the colour frames of the videos.

    Raises:
        DatasetError: the table is missing or lacks a column.
    """
    table = find_table(folder, "CAS(ME)^3", "cas(me)3_part_A_ME_label_JpgIndex*.xlsx")
    found = read_annotations(table, _COLUMNS, name_corpus(folder, "casme3"), "casme3", FPS, sheet="label")
    rows = amend(found, lambda row: replace(row, name=f"{row.name.lower()}_{row.onset}"))

    def locate(row: Annotation) -> str:
        video, _, _ = row.name.rpartition("_")
        return f"part_A/{row.subject}/{_find_video(folder / 'part_A' / row.subject, video)}/color/{{}}.jpg"

    return release(rows, folder, locate)


def _find_video(folder: Path, video: str) -> str:
    """The folder of a video as it is written on disk."""
    return next((path.name for path in sorted(folder.glob("*")) if path.name.lower() == video), video)
