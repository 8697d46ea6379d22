"""CAS(ME)^3, part A, as released: the table of micro-expressions, and the colour frames of whole videos.

Layout: `cas(me)3_part_A_ME_label_JpgIndex*.xlsx`, and `part_A/spNO.1/a/color/<N>.jpg`. N is not zero-padded and is the
frame number in the table. If there are several tables, the one with the highest version is read.

A video contains several micro-expressions. Therefore a clip is named after its video and its onset, such as `a_120`. If
an earlier row has the same video and onset but another offset, the name gets the offset too, such as `a_120_135`. The
table writes the names of videos in upper or lower case.

Six rows of the table of version 2 have impossible moments. `_CORRECTIONS` has the values of tvaranka/meb
(meb/datasets/datasets.py). Public versions of that file differ in the apex of row 128: 123 or 160.

Source: Li et al., CAS(ME)^3, IEEE TPAMI 2023, doi:10.1109/TPAMI.2022.3174895.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from microfacial.datasets.annotation_table import Columns, find_table, read_annotations
from microfacial.datasets.annotations import Annotation, AnnotationRow, Release, name_corpus
from microfacial.datasets.clips import make_release

_FPS = 30.0
_MAX_SECONDS = 10.0  # an annotation of a longer micro-expression is a mistake
_Correction = tuple[str, str, dict[str, int]]
_CORRECTIONS: Mapping[int, _Correction] = MappingProxyType(  # row from 0: subject and video if known, right values
    {
        128: ("", "", {"apex": 123}),
        708: ("spNO.214", "c", {"offset": 34}),
        749: ("spNO.216", "d", {"onset": 2647}),
        750: ("", "", {"onset": 1, "apex": 1}),
        796: ("spNO.40", "e", {"offset": 1845}),
        798: ("spNO.40", "e", {"offset": 2403}),
    }
)
_COLUMNS = Columns(onset="Onset", apex="Apex", offset="Offset", action_units="AU", emotion="emotion")


def open_casme3(folder: Path) -> Release:
    """Read the table of a release of CAS(ME)^3. The colour frames of the videos are found, and read later.

    If there are several tables, `find_table` takes the one with the highest version, then with the latest date.

    Args:
        folder: folder of the release.

    Raises:
        DatasetError: the table is missing, unreadable or lacks a column.
    """
    table = find_table(folder, "CAS(ME)^3", "cas(me)3_part_A_ME_label_JpgIndex*.xlsx")
    corpus = name_corpus(folder, "casme3")
    published = read_annotations(table, _COLUMNS, corpus, "casme3", _FPS, identify=_identify, sheet="label")
    rows = tuple(_correct(position, row) for position, row in enumerate(published))
    videos = {row.where: _video(row) for row in rows if isinstance(row, Annotation)}

    def locate(row: Annotation) -> str:
        video = _find_video(folder / "part_A" / row.subject, videos[row.where])
        return f"part_A/{row.subject}/{video}/color/{{}}.jpg"

    return make_release(tuple(_make_names_unique(rows)), folder, locate)


def _correct(position: int, row: AnnotationRow) -> AnnotationRow:
    """Correct a row of the published table, if it is the row that is known to be wrong and its moments are impossible.

    A table that is already correct, or in another order, stays unchanged.
    """
    if position not in _CORRECTIONS or not isinstance(row, Annotation) or _is_possible(row):
        return row
    subject, video, moments = _CORRECTIONS[position]
    corrected = replace(row, **moments)  # type: ignore[arg-type]  # the names of the fields are literals above
    if (subject, video) not in (("", ""), (row.subject, _video(row))) or not _is_possible(corrected):
        return row
    notes = (
        f"{moment} {getattr(row, moment)} corrected to {number}: impossible in row {position} of the published table"
        for moment, number in moments.items()
    )
    return replace(corrected, notes=(*row.notes, *notes))


def _is_possible(row: Annotation) -> bool:
    apex = row.onset if row.apex is None else row.apex
    return row.onset <= apex <= row.offset and row.onset < row.offset <= row.onset + _MAX_SECONDS * _FPS


def _identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    return cells[_COLUMNS.subject], f"{cells[_COLUMNS.name].lower()}_{cells[_COLUMNS.onset]}"


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


def _find_video(folder: Path, video: str) -> str:
    """Return the name of a video's folder as it is written on disk."""
    return next((path.name for path in sorted(folder.glob("*")) if path.name.lower() == video), video)
