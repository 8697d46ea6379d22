"""CAS(ME)^3, part A, as released: the table of micro-expressions, and the colour frames of whole videos.

Layout: `cas(me)3_part_A_ME_label_JpgIndex*.xlsx`, and `part_A/spNO.1/a/color/<N>.jpg`. N is not zero-padded and is the
frame number in the table. If there are several tables, the one with the highest version is read.

A video contains several micro-expressions. Therefore a clip is named after its video and its onset, such as `a_120`. If
an earlier row has the same video and onset but another offset, the name gets the offset too, such as `a_120_135`. The
table writes the names of videos in upper or lower case.

A clip keeps the published onset in its name if `corrections` corrects the onset. Six rows of the table of version 2
have impossible moments.

Source: Li et al., CAS(ME)^3, IEEE TPAMI 2023, doi:10.1109/TPAMI.2022.3174895.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from microfacial.datasets.annotation_table import Columns, read_annotations, read_number
from microfacial.datasets.annotations import Annotation, AnnotationRow, Release, name_corpus
from microfacial.datasets.cells import require_name
from microfacial.datasets.clips import make_release
from microfacial.datasets.folders import FRAME_EXTENSIONS, find_pattern
from microfacial.datasets.table_files import find_table
from microfacial.errors import DatasetError

if TYPE_CHECKING:  # importing it takes half a second
    import pandas as pd


_FPS = 30.0
_COLUMNS = Columns(
    onset="Onset",
    apex="Apex",
    offset="Offset",
    action_units="AU",
    emotion="emotion",
    clip_names="[A-Za-z]",
)
_SHEET = "label"


def open_casme3(folder: Path) -> Release:
    """Read the table of a release of CAS(ME)^3. The colour frames of the videos are found, and read later.

    If there are several tables, `find_table` takes the one with the highest version, then with the latest date.

    Args:
        folder: folder of the release.

    Raises:
        DatasetError: the table is missing, unreadable or lacks a column.
    """
    pattern = "cas(me)3_part_A_ME_label_JpgIndex*.xlsx"
    table = find_table(folder, "CAS(ME)^3", pattern, columns=_COLUMNS, sheet=_SHEET)
    corpus = name_corpus(folder, "casme3")
    rows = tuple(read_annotations(table, _COLUMNS, corpus, "casme3", _FPS, identify=_identify, sheet=_SHEET))
    videos = {row.where: _video(row) for row in rows if isinstance(row, Annotation)}

    def locate(row: Annotation) -> str:
        video = _find_video(folder / "part_A" / row.subject, videos[row.where], row.where)
        place = f"part_A/{row.subject}/{video}/color"
        return f"{place}/{find_pattern(folder / place, FRAME_EXTENSIONS, '{}.jpg', prefer_default=True)}"

    return make_release(tuple(_make_names_unique(rows)), folder, locate)


def _identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    video = require_name(cells[_COLUMNS.name].lower(), _COLUMNS.name, where)
    return cells[_COLUMNS.subject], f"{video}_{read_number(cells, _COLUMNS.onset, where)}"


def _video(row: Annotation) -> str:
    """Return the name of a row's video, in lower case."""
    return row.name.rpartition("_")[0]


def _make_names_unique(rows: Iterable[AnnotationRow]) -> Iterator[AnnotationRow]:
    """Name each clip after its video and its onset, and also after its offset if an earlier clip has the same onset."""
    offsets: dict[str, int] = {}
    for row in rows:
        if isinstance(row, Annotation):
            row = replace(row, name=f"{_video(row)}_{row.onset}")
            if offsets.setdefault(row.id, row.offset) != row.offset:
                row = replace(row, name=f"{row.name}_{row.offset}")
        yield row


def _find_video(folder: Path, video: str, where: str) -> str:
    """Return the name of a video's folder as it is written on disk."""
    names = sorted(path.name for path in folder.glob("*") if path.name.lower() == video)
    if len(names) > 1:
        raise DatasetError(f"{where}: {folder} has the videos {' and '.join(names)}. Remove all but one")
    return names[0] if names else video
