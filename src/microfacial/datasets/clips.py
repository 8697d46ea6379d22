"""An annotated row, its class, and the frames on disk → a Clip."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from microfacial.datasets.annotations import Annotation, AnnotationRow, Release
from microfacial.datasets.corrections import Patch, find_exclusion, find_patches
from microfacial.datasets.frames import VIDEO_ENDINGS, count_frames, find_frames, list_folder, translate_os_errors
from microfacial.datasets.label_schemes import Scheme
from microfacial.errors import DatasetError
from microfacial.records import FRAME_NUMBER, ApexSource, Clip

# --- labels -----------------------------------------------------------------------------------------------------------


def classify(row: Annotation, scheme: Scheme) -> tuple[Annotation, str | None]:
    """The annotation as corrected by `patches`, its notes saying so, and its class, None if the scheme leaves it out.

    Raises:
        DatasetError: the scheme does not know the emotion.
    """
    row = correct(row, scheme.name)
    label = scheme.label(row.vocabulary, row.emotion, row.id)
    exclusion = find_exclusion(row.vocabulary, row.subject, row.name, scheme.name)
    if exclusion is None:
        return row, label
    return replace(row, notes=(*row.notes, f"{row.name}: {exclusion.reason}")), None


def correct(row: Annotation, scheme: str) -> Annotation:
    """The annotation with the corrections that hold under a scheme, or under any where `scheme` is empty."""
    for patch in find_patches(row.vocabulary, row.subject, row.name, scheme):
        row = _correct(row, patch)
    return row


def _correct(row: Annotation, patch: Patch) -> Annotation:
    note = f"{patch.field} {patch.wrong} corrected to {patch.right}: {patch.reason}"
    match patch.field, patch.right:
        case "apex", int(apex) if row.apex == patch.wrong:
            return replace(row, apex=apex, notes=(*row.notes, note))
        case "emotion", str(emotion) if row.emotion == patch.wrong:
            return replace(row, emotion=emotion, notes=(*row.notes, note))
    return row


# --- clips ------------------------------------------------------------------------------------------------------------


def release(rows: tuple[AnnotationRow, ...], folder: Path, locate: Callable[[Annotation], str]) -> Release:
    """A release whose clips are folders of frames.

    Args:
        folder: of the release.
        locate: path of a row's frames below it, with `{}` or `{:05d}` for their number.
    """
    return Release(rows=rows, make_clip=partial(make_clip, folder=folder, locate=locate))


def make_clip(row: Annotation, label: str, max_gap: int, *, folder: Path, locate: Callable[[Annotation], str]) -> Clip:
    """Join an annotation with the frames on disk.

    A frame that is missing is replaced by the nearest one within `max_gap` frames, and the clip's `notes` say so.

    Raises:
        DatasetError: no frames, an impossible interval, or no frame near enough.
    """
    if row.offset <= row.onset:
        raise DatasetError(
            f"{row.id}: offset {row.offset} is not after onset {row.onset}. "
            "Correct the annotation or list the clip under clips.exclude"
        )
    frames, numbers = _find_frames(row, folder, locate(row))
    apex, source, reasons = _settle_apex(row)
    wanted = {"onset": row.onset, "apex": apex, "offset": row.offset}
    found, moved = _find_key_frames(row, wanted, numbers, max_gap, (folder / frames).parent)
    return Clip(
        corpus=row.corpus,
        subject=row.subject,
        name=row.name,
        emotion=row.emotion,
        label=label,
        action_units=row.action_units,
        frames=frames,
        numbers=tuple(number for number in numbers if found["onset"] <= number <= found["offset"]),
        onset=found["onset"],
        apex=found["apex"],
        offset=found["offset"],
        apex_source=source,
        fps=row.fps,
        cropped=row.cropped,
        notes="; ".join((*row.notes, *reasons, *moved, *_note_gaps(numbers, **found))),
    )


def _find_frames(row: Annotation, folder: Path, frames: str) -> tuple[str, tuple[int, ...]]:
    """Where the frames of a row lie below a folder, and their numbers: a folder of frames, or a video of its name."""
    place = (folder / frames).parent
    video = find_video(place)
    if video is not None:
        return video.relative_to(folder).as_posix(), tuple(range(1, count_frames(video) + 1))
    numbers = find_frames(place, Path(frames).name)
    if not numbers:
        others = sorted(path.name for path in list_folder(place))
        raise DatasetError(
            f"{row.id}: annotated, but {place} has no frame {FRAME_NUMBER.sub('<N>', Path(frames).name)}"
            f"{f' (found {others[0]})' if others else ''}. Re-extract the clip or list it under clips.exclude"
        )
    return frames, numbers


def find_video(place: Path) -> Path | None:
    """The video that stands in place of a folder of frames, None where the folder is there or neither is.

    Raises:
        DatasetError: the folder above may not be entered.
    """
    with translate_os_errors(place):
        if place.is_dir():
            return None
        videos = (place.with_name(place.name + ending) for ending in VIDEO_ENDINGS)
        return next((video for video in videos if video.is_file()), None)


def find_variant(folder: Path, variants: tuple[str, ...]) -> str:
    """The first of the folders of frames that holds any folder; the first of all where none does.

    Args:
        folder: of the release.

    Raises:
        DatasetError: one of them may not be read.
    """
    filled = (name for name in variants if any(path.is_dir() for path in list_folder(folder / name)))
    return next(filled, variants[0])


def _find_key_frames(
    row: Annotation, wanted: dict[str, int], numbers: tuple[int, ...], max_gap: int, place: Path
) -> tuple[dict[str, int], list[str]]:
    """The frame on disk for each wanted moment, and a note for each that is another one than wanted."""
    found = {
        moment: _nearest(numbers, number, max_gap, f"{row.id}: {moment}", place) for moment, number in wanted.items()
    }
    if found["apex"] == found["onset"]:
        raise DatasetError(
            f"{row.id}: too many frames are missing in {place}: onset and apex fall together. "
            "Re-extract the clip or list it under clips.exclude"
        )
    return found, [
        f"{moment} frame {number} is missing, took {found[moment]}"
        for moment, number in wanted.items()
        if found[moment] != number
    ]


def _settle_apex(row: Annotation) -> tuple[int, ApexSource, list[str]]:
    """The annotated apex, or the midpoint where there is none or it lies outside (onset, offset]."""
    if row.apex is not None and row.onset < row.apex <= row.offset:
        return row.apex, "annotated", []
    middle = (row.onset + row.offset + 1) // 2
    reason = "" if row.apex is None else f"annotated apex {row.apex} is outside onset–offset, "
    return middle, "midpoint", [f"{reason}took the midpoint {middle} as apex"]


def _note_gaps(numbers: tuple[int, ...], onset: int, apex: int, offset: int) -> list[str]:
    """Say where a phase has no frame of its own between its ends, so that a window of it shows no motion."""
    notes = []
    if not any(onset < number < apex for number in numbers):
        notes.append("no frame between onset and apex")
    if not any(apex < number < offset for number in numbers):
        notes.append("no frame between apex and offset")
    return notes


def _nearest(numbers: tuple[int, ...], wanted: int, max_gap: int, what: str, place: Path) -> int:
    nearest = min(numbers, key=lambda number: abs(number - wanted))
    if abs(nearest - wanted) > max_gap:
        raise DatasetError(
            f"{what}: no frame {wanted} in {place} (found {numbers[0]}–{numbers[-1]}, nearest {nearest}). "
            "Re-extract the clip or list it under clips.exclude"
        )
    return nearest
