"""From one annotated row and one folder of frames to a Clip: what every corpus of frame folders needs."""

import re
from dataclasses import dataclass
from pathlib import Path

from microfacial.errors import DatasetError
from microfacial.records import ApexSource, Clip


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

    @property
    def id(self) -> str:
        """The clip id that messages and `clips.exclude` use."""
        return f"{self.corpus}/{self.subject}/{self.name}"


def find_frames(folder: Path, prefix: str, suffix: str) -> tuple[int, ...]:
    """Numbers of the frames `<prefix><N><suffix>` in a folder, in numeric order; empty if there are none."""
    pattern = re.compile(re.escape(prefix) + r"(\d+)" + re.escape(suffix))
    matches = (pattern.fullmatch(path.name) for path in folder.glob(f"{prefix}*{suffix}"))
    return tuple(sorted(int(match[1]) for match in matches if match))


def make_clip(row: Annotation, label: str, root: Path, frames: str, max_gap: int) -> Clip:
    """Join an annotation with the frames on disk.

    A frame that is missing is replaced by the nearest one within `max_gap` frames, and the clip's `notes` say so.

    Args:
        frames: path of a frame below `root`, with `{}` for its number.

    Raises:
        DatasetError: no frames, an impossible interval, or no frame near enough.
    """
    folder, _, pattern = (root / frames).as_posix().rpartition("/")
    numbers = find_frames(Path(folder), *pattern.split("{}"))
    if not numbers:
        raise DatasetError(
            f"{row.id}: annotated, but {folder} has no frame {pattern.replace('{}', '<N>')}. "
            "Re-extract the clip or list it under clips.exclude"
        )
    if row.offset <= row.onset:
        raise DatasetError(
            f"{row.id}: offset {row.offset} is not after onset {row.onset}. "
            "Correct the annotation or list the clip under clips.exclude"
        )
    apex, source, notes = _settle_apex(row)
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
        apex_source=source,
        fps=row.fps,
        notes="; ".join(notes),
        **found,
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
