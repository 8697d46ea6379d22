"""From annotated rows and folders of frames to Clips: what every corpus of frame folders needs."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from microfacial.datasets.patches import Patch, find_exclusion, find_patches
from microfacial.datasets.schemes import Scheme, spell
from microfacial.errors import DatasetError
from microfacial.frames import find_frames
from microfacial.records import FRAME_NUMBER, ApexSource, Clip
from microfacial.storage import read_table

EXCLUDED = "excluded "  # before the id of a clip that clips.exclude leaves out
_NO_APEX = ("/", "")


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """One row of an annotation table. Frame numbers are those of the file names; `apex` is None where none is given."""

    corpus: str
    subject: str
    name: str
    emotion: str
    action_units: str
    onset: int
    apex: int | None
    offset: int
    fps: float
    cropped: bool = False
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The clip id that messages and `clips.exclude` use."""
        return f"{self.corpus}/{self.subject}/{self.name}"


# --- tables -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What a corpus calls the columns of its table."""

    subject: str = "Subject"
    name: str = "Filename"
    onset: str
    apex: str
    offset: str
    action_units: str
    emotion: str

    def all(self) -> tuple[str, ...]:
        """Every column that has to be there."""
        return (self.subject, self.name, self.onset, self.apex, self.offset, self.action_units, self.emotion)


def find_table(root: Path, corpus: str, pattern: str) -> Path:
    """The last by name of the tables that match a pattern, in the root or else in a folder directly below.

    Raises:
        DatasetError: there is none.
    """
    tables = sorted(root.glob(pattern)) or sorted(root.glob(f"*/{pattern}"))
    if not tables:
        raise DatasetError(
            f"{corpus}: no {pattern} in {root}. Put the release there or correct clips.root in params.yaml"
        )
    return tables[-1]


def read_annotations(
    table: Path, columns: Columns, corpus: str, fps: float, sheet: str | None = None
) -> Iterator[Annotation]:
    """Yield each row, subject and clip name as the table has them; blank rows and notes below the table are no rows.

    Raises:
        DatasetError: the table lacks a column, or has text where a frame number belongs.
    """
    rows = read_table(table, heading=columns.name, sheet=sheet)
    missing = [column for column in columns.all() if column not in rows.columns]
    if missing:
        raise DatasetError(f"{table}: no column {', '.join(missing)} (found {', '.join(filter(None, rows.columns))})")
    for line, row in rows.iterrows():
        if (row[columns.subject] and row[columns.name]) or row[columns.onset]:
            yield _read_row(row, columns, corpus, fps, f"{table.name}, row {line}")


def _read_row(row: "pd.Series[str]", columns: Columns, corpus: str, fps: float, where: str) -> Annotation:
    if not row[columns.subject] or not row[columns.name]:
        raise DatasetError(f"{where}: has no {columns.subject} or no {columns.name}. Correct the sheet")
    onset, offset = (_read_number(row[column], column, where) for column in (columns.onset, columns.offset))
    apex = None if row[columns.apex] in _NO_APEX else _read_number(row[columns.apex], columns.apex, where)
    return Annotation(
        corpus=corpus,
        subject=row[columns.subject],
        name=row[columns.name],
        emotion=spell(row[columns.emotion]),
        action_units=row[columns.action_units],
        onset=onset,
        apex=apex,
        offset=offset,
        fps=fps,
    )


def _read_number(text: str, column: str, where: str) -> int:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number.is_integer():
        raise DatasetError(f"{where}: {column} is {text!r}, not a frame number. Correct the sheet")
    return int(number)


# --- labels -----------------------------------------------------------------------------------------------------------


def classify(row: Annotation, scheme: Scheme) -> tuple[Annotation, str | None]:
    """The annotation as corrected by `patches`, its notes saying so, and its class, None if the scheme leaves it out.

    Raises:
        DatasetError: the scheme does not know the emotion.
    """
    for patch in find_patches(row.corpus, row.subject, row.name, scheme.name):
        row = _correct(row, patch)
    label = scheme.label(row.corpus, row.emotion, row.id)
    exclusion = find_exclusion(row.corpus, row.subject, row.name, scheme.name)
    if exclusion is None:
        return row, label
    return replace(row, notes=(*row.notes, f"{row.name}: {exclusion.reason}")), None


def _correct(row: Annotation, patch: Patch) -> Annotation:
    note = f"{patch.field} {patch.wrong} corrected to {patch.right}: {patch.reason}"
    match patch.field, patch.right:
        case "apex", int(apex) if row.apex == patch.wrong:
            return replace(row, apex=apex, notes=(*row.notes, note))
        case "emotion", str(emotion) if row.emotion == patch.wrong:
            return replace(row, emotion=emotion, notes=(*row.notes, note))
    return row


# --- clips ------------------------------------------------------------------------------------------------------------


def join(
    rows: Iterable[Annotation],
    scheme: Scheme,
    exclude: frozenset[str],
    max_gap: int,
    root: Path,
    locate: Callable[[Annotation], str],
) -> Iterator[Clip | str]:
    """Yield a Clip for each row that the scheme keeps, or the emotion of a row that it leaves out.

    Args:
        locate: path of a row's frames below `root`, with `{}` or `{:05d}` for their number.

    Raises:
        DatasetError: a label is unknown, or frames are missing.
    """
    for annotated in rows:
        if annotated.id in exclude:
            yield EXCLUDED + annotated.id
            continue
        row, label = classify(annotated, scheme)
        if label is None:
            yield f"{row.emotion} ({'; '.join(row.notes)})" if row.notes else row.emotion
        else:
            yield make_clip(row, label, root, locate(row), max_gap)


def make_clip(row: Annotation, label: str, root: Path, frames: str, max_gap: int) -> Clip:
    """Join an annotation with the frames on disk.

    A frame that is missing is replaced by the nearest one within `max_gap` frames, and the clip's `notes` say so.

    Args:
        frames: path of a frame below `root`, with `{}` or `{:05d}` for its number.

    Raises:
        DatasetError: no frames, an impossible interval, or no frame near enough.
    """
    folder, _, pattern = (root / frames).as_posix().rpartition("/")
    numbers = find_frames(Path(folder), pattern)
    if not numbers:
        raise DatasetError(
            f"{row.id}: annotated, but {folder} has no frame {FRAME_NUMBER.sub('<N>', pattern)}. "
            "Re-extract the clip or list it under clips.exclude"
        )
    if row.offset <= row.onset:
        raise DatasetError(
            f"{row.id}: offset {row.offset} is not after onset {row.onset}. "
            "Correct the annotation or list the clip under clips.exclude"
        )
    apex, source, reasons = _settle_apex(row)
    notes = [*row.notes, *reasons]
    found: dict[str, int] = {}
    for moment, wanted in (("onset", row.onset), ("apex", apex), ("offset", row.offset)):
        found[moment] = _nearest(numbers, wanted, max_gap, f"{row.id}: {moment}", folder)
        if found[moment] != wanted:
            notes.append(f"{moment} frame {wanted} is missing, took {found[moment]}")
    if found["apex"] == found["onset"]:
        raise DatasetError(f"{row.id}: too many frames are missing in {folder}: onset and apex fall together")
    notes += _note_gaps(numbers, **found)
    used = tuple(number for number in numbers if found["onset"] <= number <= found["offset"])
    return Clip(
        corpus=row.corpus,
        subject=row.subject,
        name=row.name,
        emotion=row.emotion,
        label=label,
        action_units=row.action_units,
        frames=frames,
        numbers=used,
        onset=found["onset"],
        apex=found["apex"],
        offset=found["offset"],
        apex_source=source,
        fps=row.fps,
        cropped=row.cropped,
        notes="; ".join(notes),
    )


def _settle_apex(row: Annotation) -> tuple[int, ApexSource, list[str]]:
    """The annotated apex, or the midpoint where there is none or it lies outside (onset, offset]."""
    if row.apex is not None and row.onset < row.apex <= row.offset:
        return row.apex, "annotated", []
    middle = (row.onset + row.offset + 1) // 2
    reason = "no apex annotated" if row.apex is None else f"annotated apex {row.apex} is outside onset–offset"
    return middle, "midpoint", [f"{reason}, took the midpoint {middle}"]


def _note_gaps(numbers: tuple[int, ...], onset: int, apex: int, offset: int) -> list[str]:
    """Say where a phase has no frame of its own between its ends, so that a window of it shows no motion."""
    notes = []
    if not any(onset < number < apex for number in numbers):
        notes.append("no frame between onset and apex")
    if not any(apex < number < offset for number in numbers):
        notes.append("no frame between apex and offset")
    return notes


def _nearest(numbers: tuple[int, ...], wanted: int, max_gap: int, what: str, folder: str) -> int:
    nearest = min(numbers, key=lambda number: abs(number - wanted))
    if abs(nearest - wanted) > max_gap:
        raise DatasetError(
            f"{what}: no frame {wanted} in {folder} (found {numbers[0]}–{numbers[-1]}, nearest {nearest}). "
            "Re-extract the clip or list it under clips.exclude"
        )
    return nearest
