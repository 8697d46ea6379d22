"""MMEW as released: the table of micro-expressions, and one folder of cropped frames per clip.

Layout: `MMEW_Micro_Exp*.xlsx` next to `MMEW_Final` or in it, and
`MMEW_Final/Micro_Expression/<emotion>/S13-07-001/<N>.jpg`. N counts from 1 and is not zero-padded. If there are several
tables, the one with the highest version is read. The name of a clip consists of person, emotion and sample; the person
is the subject, and the column of subjects must agree with it.

Source: Ben et al., MMEW, IEEE TPAMI 2022, doi:10.1109/TPAMI.2021.3067464.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from microfacial.datasets.annotation_table import Columns, read_annotations
from microfacial.datasets.annotations import Annotation, Release, name_corpus
from microfacial.datasets.cells import pad_number, require_name, require_own_clip, show_cell
from microfacial.datasets.clips import make_release
from microfacial.datasets.folders import FRAME_EXTENSIONS, find_pattern
from microfacial.datasets.label_schemes import SCHEMES, normalise_emotion
from microfacial.datasets.table_files import find_table
from microfacial.errors import DatasetError

if TYPE_CHECKING:  # importing it takes half a second
    import pandas as pd


_FPS = 90.0
_CLIP_NAME = "S0*([0-9]+)-[0-9]+-[0-9]+"
_COLUMNS = Columns(
    onset="OnsetFrame",
    apex="ApexFrame",
    offset="OffsetFrame",
    action_units="Action Units",
    emotion="Estimated Emotion",
    clip_names=_CLIP_NAME,
)
_FRAMES = "MMEW_Final/Micro_Expression"
_EMOTIONS = SCHEMES["mmew-4"].rules["mmew"].keys()


def open_mmew(folder: Path) -> Release:
    """Read a release of MMEW: its table, and the frames in the folders of the emotions.

    If there are several tables, `find_table` takes the one with the highest version, then with the latest date.

    Args:
        folder: folder of the release.

    Raises:
        DatasetError: the table is missing, unreadable or lacks a column.
    """
    table = find_table(folder, "MMEW", "MMEW_Micro_Exp*.xlsx", folders=("MMEW_Final",), columns=_COLUMNS)
    corpus = name_corpus(folder, "mmew")
    rows = read_annotations(table, _COLUMNS, corpus, "mmew", _FPS, identify=_identify, cropped=True)
    emotions: dict[str, set[str]] = {}
    for clip in (folder / _FRAMES).glob("*/*"):
        emotions.setdefault(clip.stem, set()).add(clip.parent.name)

    def locate(row: Annotation) -> str:
        found = sorted(emotions.get(row.name, ()))
        if len(found) > 1:
            raise DatasetError(
                f"{row.where}: the frames of {row.name} are in several folders of {folder / _FRAMES}: "
                f"{', '.join(found)}. Remove all but one"
            )
        emotion = found[0] if found else require_name(row.emotion, _COLUMNS.emotion, row.where)
        if normalise_emotion(emotion) != row.emotion and normalise_emotion(emotion) in _EMOTIONS:
            raise DatasetError(
                f"{row.where}: the emotion of {row.name} is {show_cell(row.emotion)}, but its frames are in "
                f"{folder / _FRAMES / emotion}. Correct the sheet or move the frames"
            )
        place = f"{_FRAMES}/{emotion}/{row.name}"
        return f"{place}/{find_pattern(folder / place, FRAME_EXTENSIONS, '{}.jpg', prefer_default=True)}"

    return make_release(tuple(rows), folder, locate)


def _identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    name = cells[_COLUMNS.name]
    match = re.fullmatch(_CLIP_NAME, name)
    if match is None:
        raise DatasetError(
            f"{where}: {show_cell(name)} is not a clip name of MMEW, such as S13-07-001. Correct the sheet"
        )
    require_own_clip(pad_number(cells[_COLUMNS.subject], 2), name, match[1], where)
    return f"S{match[1]:0>2}", name
