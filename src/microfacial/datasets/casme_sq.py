"""CAS(ME)^2 as released: the micro-expressions in long videos, and the frames of these videos.

Layout: `CAS(ME)^2code_final*.xlsx` or `code_final.xlsx`, and `rawpic/s15/15_0101disgustingteeth/img<N>.jpg`. N is the
frame number in the table.

The first sheet has no header. Its columns are subject, video with the number of the expression such as `anger1_2`,
onset, apex, offset, action units, emotion, type and self-reported emotion. Macro-expressions are left out
of data sets, and count in the evaluation of spotting. Offset 0
means that the offset was not seen; then the apex is the offset, with a note. The second sheet gives the folder of each
subject, and the third gives the code of each video, such as `0101`, with which the name of its folder starts after the
subject's number. In one copy a video of subject 23 lies in the folder of subject 19. Therefore a video that is not in
its subject's folder is looked for in the others.

These facts could not be verified on a release:

- The layout of the cropped frames (`cropped`) and of the frames of single expressions (`selectedpic`). They are not
  read.
- The rate of 30 frames per second, and whether frame numbers are zero-padded. Both forms are read.
- Whether a subject has each video name with a number only once. A repeated name is refused.
- The number of micro-expressions: 57 in the tables of public challenges, 53 in the paper's abstract.

Source: Qu et al., CAS(ME)^2, HCII 2016, doi:10.1007/978-3-319-39513-5_5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from microfacial.datasets.annotation_table import Columns, is_macro, make_annotation, read_rows, skip_macro
from microfacial.datasets.annotations import Annotation, AnnotationRow, Release, name_corpus
from microfacial.datasets.cells import pad_number, require_name, show_cell
from microfacial.datasets.clips import frames_folder, make_release
from microfacial.datasets.folders import FRAME_EXTENSIONS, find_pattern, list_folder
from microfacial.datasets.spreadsheet import read_sheets
from microfacial.datasets.table_files import find_table
from microfacial.errors import DatasetError

if TYPE_CHECKING:  # importing it takes half a second
    import pandas as pd


_FPS = 30.0
_TYPE = "type"
_COLUMNS = Columns(
    subject="subject",
    name="video",
    onset="onset",
    apex="apex",
    offset="offset",
    action_units="action units",
    emotion="emotion",
    others=(_TYPE,),
    positions=("subject", "video", "onset", "apex", "offset", "action units", "emotion", _TYPE, "self-report"),
    clip_names="(anger|disgust|happy)[0-9]+_[0-9]+",
)
_FRAMES = "rawpic"
_CODE_DIGITS = 4


def open_casme_sq(folder: Path) -> Release:
    """Read a release of CAS(ME)^2: its table, and the frames of the long videos.

    If there are several tables, `find_table` takes the one with the highest version, then with the latest date.

    Args:
        folder: folder of the release.

    Raises:
        DatasetError: the table is missing or unreadable, or lacks the sheets with the codes.
    """
    table = find_table(folder, "CAS(ME)^2", "*code_final*.xls*", columns=_COLUMNS)
    subjects, videos = _read_codes(table)
    corpus = name_corpus(folder, "casme_sq")

    def identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
        subject, name = cells[_COLUMNS.subject], cells[_COLUMNS.name]
        if subject not in subjects or _video(name) not in videos:
            unknown = show_cell(subject if subject not in subjects else _video(name))
            raise DatasetError(f"{where}: {unknown} is not in the sheets with the codes. Correct the table")
        return subjects[subject], name

    def read(cells: "pd.Series[str]", subject: str, name: str, where: str) -> AnnotationRow:
        if is_macro(cells[_TYPE], where):
            return skip_macro(corpus, subject, name, partial(_annotate, cells, corpus, subject, name, where))
        return _annotate(cells, corpus, subject, name, where)

    def locate(row: Annotation) -> str:
        place = _find_video(folder, row.subject, videos[_video(row.name)], row.where)
        return f"{place}/{find_pattern(folder / place, FRAME_EXTENSIONS, 'img{}.jpg', prefer_default=True)}"

    return make_release(tuple(read_rows(table, _COLUMNS, corpus, identify, read)), folder, locate)


def _video(name: str) -> str:
    """Return the name of a row's video, which several expressions share."""
    return name.rpartition("_")[0]


def _read_codes(table: Path) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the folder of each subject by its number in the table, and the code of each video by its name there."""
    sheets = read_sheets(table)
    if len(sheets) < 3:
        raise DatasetError(
            f"{table}: has {len(sheets)} of three sheets, and none with the codes of videos. Copy it again from the "
            "release"
        )
    folders = [(row[2], require_name(row[1], "folder", f"{table.name}, sheet 2")) for row in sheets[1] if len(row) > 2]
    codes = [(row[1], pad_number(row[0], _CODE_DIGITS)) for row in sheets[2] if len(row) > 1 and row[0] and row[1]]
    subjects = _require_one_value(folders, f"{table}, sheet 2")
    _require_one_value([(folder, number) for number, folder in folders], f"{table}, sheet 2")
    return subjects, _require_one_value(codes, f"{table}, sheet 3")


def _require_one_value(pairs: Sequence[tuple[str, str]], where: str) -> Mapping[str, str]:
    """Return values by their names. No name has two values."""
    values: dict[str, str] = {}
    for name, value in pairs:
        known = values.setdefault(name, value)
        if known != value:
            raise DatasetError(f"{where}: {show_cell(name)} stands for {known} and for {value}. Correct the table")
    return values


def _annotate(cells: "pd.Series[str]", corpus: str, subject: str, name: str, where: str) -> Annotation:
    row = make_annotation(
        cells, _COLUMNS, corpus=corpus, vocabulary="casme_sq", subject=subject, name=name, fps=_FPS, where=where
    )
    if row.offset or row.apex is None:
        return row
    return replace(row, offset=row.apex, notes=(f"the table gives no offset, took the apex {row.apex}",))


def _find_video(folder: Path, subject: str, code: str, where: str) -> str:
    """Return the folder of a video below the release. If the subject's folder lacks it, it may be in another one."""
    start = f"{subject.lstrip('s')}_{code}"
    own = folder / _FRAMES / subject
    videos = _list_videos(own, start) or {
        video for place in list_folder(folder / _FRAMES) for video in _list_videos(place, start)
    }
    places = sorted(video.relative_to(folder).as_posix() for video in videos)
    if len(places) > 1:
        raise DatasetError(f"{where}: {' and '.join(places)} in {folder} have one code. Remove all but one")
    return places[0] if places else (own / start).relative_to(folder).as_posix()


def _list_videos(place: Path, start: str) -> set[Path]:
    """Return the folders of the videos in a folder whose names start with a text."""
    paths = (path for path in list_folder(place) if path.name.startswith(start))
    return {video for path in paths if (video := frames_folder(path)) is not None}
