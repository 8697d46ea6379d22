"""CAS(ME)^3, part C, as released: the micro-expressions of a mock crime, and the colour frames of whole videos.

Layout: `CAS(ME)3_part_C_ME*.xlsx`, and `part_C/01/a/color/<N>.jpg`. N is not zero-padded and is the frame number in the
table. A copy may have the folder twice, as `part_C/part_C`. Each subject has one video. If it is the only folder of the
subject, its name does not matter.

The table has a row per expression: subject, number of the expression, onset, offset, action units and emotion. A comma
joins action units, once a full-width comma. There is no apex, so clips have the midpoint. The emotions are positive,
negative, surprise and others, so the schemes `casme3-3` and `casme3-4` join parts A and C.

These facts could not be verified on a release:

- Whether people of part C are also in part A. The ids of their subjects differ, so a protocol that holds out subjects
  takes them for different people. Leave-one-dataset-out holds out both parts together.
- The rate of 30 frames per second, which is that of part A.

Source: Li et al., CAS(ME)^3, IEEE TPAMI 2023, doi:10.1109/TPAMI.2022.3174895.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from microfacial.datasets.annotation_table import Columns, read_annotations
from microfacial.datasets.annotations import Annotation, Release, name_corpus
from microfacial.datasets.cells import pad_number
from microfacial.datasets.clips import make_release
from microfacial.datasets.folders import FRAME_EXTENSIONS, find_pattern, list_folder
from microfacial.datasets.table_files import find_table

if TYPE_CHECKING:  # importing it takes half a second
    import pandas as pd


_FPS = 30.0
_COLUMNS = Columns(
    subject="sub",
    name="count",
    onset="onset",
    apex=None,
    offset="offset",
    action_units="au",
    emotion="emotion",
    clip_names="[0-9]+",
)
_FRAMES = "part_C"
_NESTED = "part_C/part_C"
_VIDEO = "a"


def open_casme3_c(folder: Path) -> Release:
    """Read part C of a release of CAS(ME)^3. The colour frames of the videos are found, and read later.

    If there are several tables, `find_table` takes the one with the highest version, then with the latest date.

    Args:
        folder: folder of the release.

    Raises:
        DatasetError: the table is missing, unreadable or lacks a column.
    """
    table = find_table(folder, "CAS(ME)^3, part C", "cas(me)3_part_C_ME*.xlsx", columns=_COLUMNS)
    corpus = name_corpus(folder, "casme3")
    variant = _NESTED if (folder / _NESTED).is_dir() else _FRAMES
    rows = read_annotations(table, _COLUMNS, corpus, "casme3_c", _FPS, identify=_identify)

    def locate(row: Annotation) -> str:
        video = _find_video(folder / variant / row.subject)
        place = f"{variant}/{row.subject}/{video}/color"
        return f"{place}/{find_pattern(folder / place, FRAME_EXTENSIONS, '{}.jpg', prefer_default=True)}"

    return make_release(tuple(rows), folder, locate)


def _identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    return pad_number(cells[_COLUMNS.subject], 2), cells[_COLUMNS.name]


def _find_video(subject: Path) -> str:
    """Return the name of the folder of a subject's video: the only folder there, or else the usual name."""
    names = [path.name for path in list_folder(subject) if path.is_dir()]
    return names[0] if len(names) == 1 else _VIDEO
