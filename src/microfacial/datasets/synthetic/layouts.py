"""Writes synthetic clips to disk as each corpus is released: its folders, its table, its quirks.

`LAYOUTS` says for each corpus where a frame goes, what its camera sees, how its table looks, and which function gives
the corpus' own names, numbers and oddities to the clips that `synthetic` draws. The first people of a release show all
of them: a plan of three people with two clips each, and two `others`, has every quirk. The readers' modules say what
each layout is and where it was published; only what they do not mention is explained here.
"""

import io
import os
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from xml.etree.ElementTree import canonicalize

import cv2
import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from openpyxl import Workbook
from tqdm import tqdm

from microfacial.datasets.annotations import SYNTHETIC_MARKER
from microfacial.datasets.synthetic.people import (
    CROP,
    DemoClip,
    DemoPlan,
    View,
    build_face,
    continue_motion,
    draw_person,
    plan_clips,
    render_clip,
    scene,
)
from microfacial.errors import DatasetError

Cell = str | int | None
Cells = tuple[Cell, ...]

ANNOTATIONS = "CASME2-coding-20190701.xlsx"
NOTICE = """\
Synthetic data in the layout of {title}. No clip of {title} is among them.
All faces derive from one photograph of NASA (public domain, scikit-image's astronaut).
The expressions are drawn, and so are the action units and emotions that the sheet lists.
Scores on these clips exercise the software. They are no measure of accuracy on people.
"""
OBJECTIVE_CLASSES = {"happiness": 1, "surprise": 2, "disgust": 4, "repression": 7, "others": 7}


def _call(happiness: str, disgust: str, surprise: str, repression: str, others: str) -> Mapping[str, str]:
    """Return what a corpus calls the drawn emotions."""
    own = {"happiness": happiness, "disgust": disgust, "surprise": surprise, "repression": repression, "others": others}
    return MappingProxyType(own)


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """One micro-expression as a corpus lists it; frame numbers are those of the files.

    `apex` and `offset` are what the table says, which may be nothing or impossible; `onset` is right. `frames` are the
    numbers of the files that there are, `digits` how many digits they have at least, and `video` the folder that a
    clip shares with others. `objective` is the class of the action units, 1 to 7.
    """

    subject: int
    name: str
    emotion: str
    onset: int
    apex: int | str | None
    offset: int | None
    frames: range
    action_units: int | str = ""
    objective: int = 7
    digits: int = 4
    video: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """How a table looks: its place, the sheet that holds it, what stands above and below, and a row's cells.

    `cells` is given the row and its number in the sheet; `further` are the sheets behind, which are empty.
    """

    path: str
    header: Cells
    cells: Callable[[SheetRow, int], Cells]
    sheet: str = "Sheet1"
    above: tuple[Cells, ...] = ()
    below: tuple[Cells, ...] = ()
    further: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReleaseLayout:
    """How a corpus lies on disk.

    `frame` is the path of a frame, and `beside` of a picture that is no frame of a clip, both in terms of `SheetRow` and
    `number`. `people` are the corpus' numbers of its subjects, those with quirks first; `emotions` what it calls the
    emotions of the demo. `enter` makes the rows of one person's clips; it may change what the table says of a clip, not
    what is seen. `around` frames before the onset and after the offset are there too. In `whole_videos` a person moves
    on from clip to clip.
    """

    title: str
    frame: str
    enter: Callable[["ReleaseLayout", int, Sequence[DemoClip]], Iterator[SheetRow]]
    people: tuple[int, ...]
    emotions: Mapping[str, str]
    table: Table | None = None
    view: View = CROP
    around: int = 0
    beside: str = ""
    whole_videos: bool = False

    def path(self, row: SheetRow, number: int) -> str:
        """The path of one frame of a row's clip below the root."""
        return self.frame.format(number=number, **vars(row))


# --- rows: what each corpus makes of the drawn clips ---


def _enter(layout: ReleaseLayout, subject: int, clip: DemoClip, shift: int = 0, **facts: Any) -> SheetRow:
    """Return the row of one clip whose frame numbers grow by `shift`, as it is but for the given facts."""
    onset, offset = clip.onset + shift, clip.offset + shift
    row = SheetRow(
        subject=subject,
        name=clip.name,
        emotion=layout.emotions[clip.emotion],
        onset=onset,
        apex=clip.apex + shift,
        offset=offset,
        frames=range(onset - layout.around, offset + layout.around + 1),
        action_units=clip.action_units,
        objective=OBJECTIVE_CLASSES[clip.emotion],
    )
    return replace(row, **facts)


def _enter_casme2(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """One apex in all is a slash."""
    for clip in clips:
        yield _enter(layout, subject, clip, apex=clip.apex if clip.apex_known else "/")


# The grammar of SAMM's action units; `{}` is what the clip shows.
_SAMM_UNITS = ("{} ", "ref(7B)+43", "{}+7C", "L12 or L14", "A12+12A", "(R6 or R12)+R15", "T18+B25", "10A/B+soft focus")


def _enter_samm(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Numbers cross 999 and 9999, with four digits or five; person 028 has an apex behind a clip's end."""
    for index, clip in enumerate(clips):
        row = _enter(
            layout,
            subject,
            clip,
            shift=9999 - clip.apex if index % 2 else 900,
            name=f"{subject:03d}_{index % 7 + 1}_{index // 7 + 1}",
            action_units=_SAMM_UNITS[index % len(_SAMM_UNITS)].format(clip.action_units),
            digits=5 if clip.subject % 3 == 0 else 4,
        )
        yield replace(row, apex=row.frames.stop + 8) if (subject, index) == (28, 1) else row


_SMIC_CODES = {"negative": "ne", "positive": "po", "surprise": "sur"}


def _enter_smic(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Numbers count on from clip to clip; those of s20 have eight digits. There is no apex."""
    seen = Counter[str]()
    for index, clip in enumerate(clips):
        code = _SMIC_CODES[layout.emotions[clip.emotion]]
        seen[code] += 1
        start = 17_580_939 if subject == 20 else 900 * subject
        yield _enter(
            layout, subject, clip, start + 500 * index, name=f"s{subject}_{code}_{seen[code]:02d}", apex=None, digits=6
        )


def _enter_smic_e(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """As the short release, but with apexes; of one clip of s3 the long video was lost."""
    rows = _enter_smic(layout, subject, clips)
    for index, (clip, row) in enumerate(zip(clips, rows, strict=True)):
        lost = (subject, index) == (3, 1)
        apex = row.onset + clip.apex - clip.onset
        yield replace(row, offset=None, frames=range(0)) if lost else replace(row, apex=apex)


def _enter_casme3(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Two clips to a video, and one numbering for both; spNO.1 and spNO.40 have the oddities."""
    start = 0
    for index, clip in enumerate(clips):
        start = start if index % 2 else 0
        video = ("jabcdefghiklm" if subject == 1 else "abcdefghijklm")[index // 2]
        row = _enter(layout, subject, clip, start + layout.around - clip.onset, name=video, video=video)
        start = row.frames.stop
        yield _spoil_casme3(row, index)


def _spoil_casme3(row: SheetRow, index: int) -> SheetRow:
    """Return the row of a person's clip `index` with what is odd about it."""
    if row.subject == 40 and row.emotion == "others":
        return replace(row, emotion="Others")
    match row.subject, index:
        case 1, 0:
            return replace(row, name="J")
        case 1, 1:
            return replace(row, apex=row.onset)
        case 40, 1:
            return replace(row, offset=0)
    return row


_MMEW_CODES = ("happiness", "surprise", "disgust", "fear", "sadness", "others", "anger")


def _enter_mmew(layout: ReleaseLayout, subject: int, clips: Sequence[DemoClip]) -> Iterator[SheetRow]:
    """Clips are named after person, emotion and sample; frames count from 1."""
    seen = Counter[str]()
    for clip in clips:
        emotion = layout.emotions[clip.emotion]
        seen[emotion] += 1
        name = f"S{subject:02d}-{_MMEW_CODES.index(emotion) + 1:02d}-{seen[emotion]:03d}"
        yield _enter(layout, subject, clip, 1 - clip.onset, name=name)


# --- tables ---

# Clips whose emotion the sheet of 2019 changed from sadness to surprise.
_SAD_IN_2014 = ((24, "EP07_01"), (24, "EP07_04f"), (24, "EP10_03"))


def _casme2_cells(row: SheetRow, line: int) -> Cells:
    frames = (row.onset, row.apex, row.offset)
    return (f"{row.subject:02d}", row.name, None, *frames, None, row.action_units, row.emotion, row.objective)


def _casme2_cells_of_2014(row: SheetRow, line: int) -> Cells:
    sad = (row.subject, row.name) in _SAD_IN_2014 and row.emotion == "surprise"
    return _casme2_cells(replace(row, emotion="sadness") if sad else row, line)[:-1]


def _samm_cells(row: SheetRow, line: int) -> Cells:
    frames = (row.onset, row.apex, row.offset, f"=SUM(F{line}-D{line})+1")
    return (
        f"{row.subject:03d}",
        row.name,
        1,
        *frames,
        "Micro - 1/2",
        row.action_units,
        row.emotion,
        row.objective,
        None,
    )


def _smic_e_cells(row: SheetRow, line: int) -> Cells:
    frames = (row.onset, row.offset, None, None, None, None, None)
    video: Cells = (row.frames[0], row.frames[-1], len(row.frames)) if row.frames else ("lost", None, None)
    return (row.subject, row.name, None, *frames, *video, None, None, row.apex, row.emotion)


def _smic_e_cells_before_2019(row: SheetRow, line: int) -> Cells:
    *others, _apex, emotion = _smic_e_cells(row, line)
    return (*others, emotion)


_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII")


def _casme3_cells(row: SheetRow, line: int) -> Cells:
    frames = (row.onset, row.apex, row.offset)
    return (f"spNO.{row.subject}", row.name, *frames, str(row.action_units), _ROMAN[row.objective - 1], row.emotion)


def _mmew_cells(row: SheetRow, line: int) -> Cells:
    return (row.subject, row.name, row.onset, row.apex, row.offset, row.action_units, row.emotion, None)


_SHARED = ("Action Units", "Estimated Emotion")
_FRAMES = ("OnsetFrame", "ApexFrame", "OffsetFrame")
_CASME2_2019 = Table(
    path=ANNOTATIONS,
    header=("Subject", "Filename", None, *_FRAMES, None, *_SHARED, "Objective Classes"),
    cells=_casme2_cells,
    further=("Sheet2", "Sheet3"),
)
_CASME2_2014 = replace(
    _CASME2_2019,
    path="CASME2-coding-20140508.xlsx",
    header=_CASME2_2019.header[:-1],
    cells=_casme2_cells_of_2014,
)
_SAMM = Table(
    path="SAMM_Micro_FACS_Codes_v2.xlsx",
    sheet="MICRO_ONLY",
    above=tuple((f"Note {number}: the header stands in row 14",) for number in range(1, 14)),
    header=(
        *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration", "Micro"),
        *(*_SHARED, "Objective Classes", "Notes"),
    ),
    cells=_samm_cells,
)
_SMIC_E = Table(
    path="HS_long/SMIC-HS-E_annotation_2019.xlsx",
    header=(  # public code takes onset, offset, first, last and emotion from these places; names of the rest are ours
        *("Subject", "Filename", None, "OnsetF", "OffsetF", "OnsetF2", "OffsetF2", "OnsetF3", "OffsetF3", None),
        *("FirstF", "LastF", "Frames", None, None, "ApexF", "Emotion"),
    ),
    cells=_smic_e_cells,
    below=(
        (),
        (None, "lost: the long video could not be saved"),
        (None, None, "OnsetF2: of a second micro-expression"),
    ),
)
_SMIC_E_BEFORE_2019 = replace(
    _SMIC_E,
    path="HS_long/SMIC-HS-E_annotation.xlsx",
    header=(*_SMIC_E.header[:-2], "Emotion"),
    cells=_smic_e_cells_before_2019,
)
_CASME3 = Table(
    path="cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
    sheet="label",
    header=("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"),
    cells=_casme3_cells,
)
_MMEW = Table(
    path="MMEW_Micro_Exp.xlsx",
    header=("Subject", "Filename", *_FRAMES, *_SHARED, "remarks"),
    cells=_mmew_cells,
)


def spreadsheet(table: Table, rows: Iterable[SheetRow]) -> bytes:
    """Return the workbook that lists the rows; where subjects are text, the column is formatted so."""
    book = Workbook()
    sheet: Any = book.active
    sheet.title = table.sheet
    for cells in (*table.above, table.header):
        sheet.append(cells)
    for line, row in enumerate(rows, len(table.above) + 2):
        cells = table.cells(row, line)
        sheet.append(cells)
        if isinstance(cells[0], str):
            sheet.cell(line, 1).number_format = "@"
    for cells in table.below:
        sheet.append(cells)
    for name in table.further:
        book.create_sheet(name)
    return _stable_bytes(book)


def _stable_bytes(book: Workbook) -> bytes:
    """Return the workbook's bytes free of the clock, of zlib's version and of the XML writer in use."""
    saved, stable = io.BytesIO(), io.BytesIO()
    book.save(saved)
    undate = partial(re.sub, r"\d{4}-\d\d-\d\dT[\d:.]+Z", "2019-07-01T00:00:00Z")
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(stable, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(source.namelist()):
            text = undate(canonicalize(source.read(name).decode()))
            entry = zipfile.ZipInfo(name, date_time=(2019, 7, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, on whatever system
            target.writestr(entry, text)
    return stable.getvalue()


# --- layouts ---

_CASME2_PEOPLE = tuple(range(1, 27))
_SAMM_PEOPLE = (6, 28, 7, *range(9, 27), 30, *range(31, 38))
_SMIC_PEOPLE = (3, 20, 1, 2, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 18, 19)
_SMIC_LATER_PEOPLE = (20, 11, 12, 13, 14, 15, 18, 19)
_CASME3_PEOPLE = (1, 40, *range(2, 40), *range(41, 95))
_MMEW_PEOPLE = tuple(range(1, 31))

_VGA, _GREY_VGA = scene(640, 480), scene(640, 480, grey=True)

_CASME2 = ReleaseLayout(
    title="CASME II",
    frame="Cropped/sub{subject:02d}/{name}/reg_img{number}.jpg",
    enter=_enter_casme2,
    people=_CASME2_PEOPLE,
    emotions=_call("happiness", "disgust", "surprise", "repression", "others"),
    table=_CASME2_2019,
)
_SMIC_HS = ReleaseLayout(
    title="SMIC",
    frame="HS/s{subject}/micro/{emotion}/{name}/image{number:0{digits}d}.bmp",
    beside="HS/s{subject}/non_micro/s{subject}_non_01/image{number:0{digits}d}.bmp",
    enter=_enter_smic,
    people=_SMIC_PEOPLE,
    emotions=_call("positive", "negative", "surprise", "negative", "negative"),
    view=_VGA,
)


_SMIC_E_HS = replace(
    _SMIC_HS,
    frame="HS_long/SMIC-HS-E/s{subject:02d}/{name}/image{number:0{digits}d}.jpg",
    beside="",
    enter=_enter_smic_e,
    table=_SMIC_E,
    around=4,
)


def _film(layout: ReleaseLayout, camera: str, view: View) -> ReleaseLayout:
    """Return a layout of SMIC for another camera, which recorded the later people only."""
    table = layout.table and replace(layout.table, path=layout.table.path.replace("HS", camera))
    frame, beside = (path.replace("HS", camera) for path in (layout.frame, layout.beside))
    return replace(layout, frame=frame, beside=beside, table=table, people=_SMIC_LATER_PEOPLE, view=view)


LAYOUTS: Mapping[str, ReleaseLayout] = MappingProxyType(
    {
        "casme2": _CASME2,
        "casme2_2014": replace(_CASME2, table=_CASME2_2014),
        "casme2_raw": replace(_CASME2, frame="CASME2_RAW/sub{subject:02d}/{name}/img{number}.jpg", view=_VGA, around=3),
        "casme3": ReleaseLayout(
            title="CAS(ME)^3",
            frame="part_A/spNO.{subject}/{video}/color/{number}.jpg",
            beside="part_A/spNO.{subject}/{video}/depth/{number}.png",
            enter=_enter_casme3,
            people=_CASME3_PEOPLE,
            emotions=_call("happy", "disgust", "surprise", "sad", "others"),
            table=_CASME3,
            view=scene(1280, 720),
            around=3,
            whole_videos=True,
        ),
        "mmew": ReleaseLayout(
            title="MMEW",
            frame="MMEW_Final/Micro_Expression/{emotion}/{name}/{number}.jpg",
            beside="MMEW_Final/Macro_Expression/S{subject:02d}/anger/S{subject:02d}-07-001.jpg",
            enter=_enter_mmew,
            people=_MMEW_PEOPLE,
            emotions=_call("happiness", "disgust", "surprise", "sadness", "others"),
            table=_MMEW,
            view=View(left=-6, top=30, width=292, height=292),
        ),
        "samm": ReleaseLayout(
            title="SAMM",
            frame="SAMM/{subject:03d}/{name}/{subject:03d}_{number:0{digits}d}.jpg",
            enter=_enter_samm,
            people=_SAMM_PEOPLE,
            emotions=_call("Happiness", "Anger", "Surprise", "Contempt", "Other"),
            table=_SAMM,
            view=scene(960, 650, grey=True),
        ),
        "smic_e_hs": _SMIC_E_HS,
        "smic_e_nir": _film(replace(_SMIC_E_HS, table=_SMIC_E_BEFORE_2019), "NIR", _GREY_VGA),
        "smic_e_vis": _film(_SMIC_E_HS, "VIS", _VGA),
        "smic_hs": _SMIC_HS,
        "smic_nir": _film(_SMIC_HS, "NIR", _GREY_VGA),
        "smic_vis": _film(_SMIC_HS, "VIS", _VGA),
    }
)


# --- files ---


def write_demo(folder: Path, plan: DemoPlan | None = None, *, processes: int = 1) -> None:
    """Write the demo data set, which is a release of CASME II, to a new folder.

    Raises:
        DatasetError: if `folder` exists.
    """
    write_release("casme2", folder, plan, processes=processes)


def write_release(corpus: str, folder: Path, plan: DemoPlan | None = None, *, processes: int = 1) -> None:
    """Write a synthetic release of a corpus to a new folder; the bytes do not depend on `processes`.

    All is written beside `folder` first and renamed at the end, so a stopped run leaves nothing that looks
    complete.

    Args:
        corpus: a name in `LAYOUTS`.
        plan: how many people and clips, how long and how large; the demo's if not given.

    Raises:
        DatasetError: if `folder` exists, or the plan asks for more people than the corpus has.
    """
    layout, plan = LAYOUTS[corpus], plan or DemoPlan()
    if folder.exists():
        raise DatasetError(f"{folder} exists already and is not overwritten. Delete it or choose another folder")
    if plan.identities > len(layout.people):
        raise DatasetError(f"{layout.title} has {len(layout.people)} subjects, the plan {plan.identities}. Plan fewer")
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    try:
        _write_frames(part, corpus, plan, processes)
        (part / SYNTHETIC_MARKER).write_bytes(NOTICE.format(title=layout.title).encode())
        write_table(part, layout, [row for rows, _ in _people(layout, plan) for row in rows])
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_table(root: Path, layout: ReleaseLayout, rows: Iterable[SheetRow]) -> None:
    """Write the table of a corpus below `root`; of a corpus without one, nothing."""
    if layout.table is not None:
        path = root / layout.table.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(spreadsheet(layout.table, rows))


def _people(layout: ReleaseLayout, plan: DemoPlan) -> Iterator[tuple[list[SheetRow], list[DemoClip]]]:
    """Yield the rows and the clips of each person."""
    drawn = plan_clips(plan)
    for number in range(1, plan.identities + 1):
        clips = [clip for clip in drawn if clip.subject == number]
        clips = list(continue_motion(clips)) if layout.whole_videos else clips
        yield list(layout.enter(layout, layout.people[number - 1], clips)), clips


def _write_frames(root: Path, corpus: str, plan: DemoPlan, processes: int) -> None:
    """Write all clips, one task per person because the resting face serves all of a person's clips."""
    layout = LAYOUTS[corpus]
    tasks = (delayed(_write_person)(root, corpus, plan, *person) for person in _people(layout, plan))
    with tqdm(total=len(plan_clips(plan)), desc=f"synthetic {layout.title}", unit="clip") as bar:
        for written in Parallel(n_jobs=processes, return_as="generator_unordered")(tasks):
            bar.update(written)


def _write_person(root: Path, corpus: str, plan: DemoPlan, rows: list[SheetRow], clips: list[DemoClip]) -> int:
    """Write one person's clips and return their count."""
    layout = LAYOUTS[corpus]
    face = build_face(plan, draw_person(plan, clips[0].subject), layout.view)
    for row, clip in zip(rows, clips, strict=True):
        if row.frames:
            images = render_clip(plan, clip, face, layout.view, around=layout.around)
            for number, image in zip(row.frames, images, strict=True):
                _write_image(root / layout.path(row, number), image)
                if layout.beside and row is rows[0] and number == row.frames[0]:
                    _write_image(root / layout.beside.format(number=number, **vars(row)), image)
    return len(clips)


def _write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write the picture; JPEG has quality 95, and its transform is in integers and so the same everywhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix == ".jpg" else []
    path.write_bytes(cv2.imencode(path.suffix, image, settings)[1].tobytes())
