"""Turn an annotated row into a `Clip`: correct it, find its class, and join it with the frames on disk."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from microfacial.datasets.annotations import Annotation, AnnotationRow, Release
from microfacial.datasets.corrections import Correction, find_corrections, find_disagreements, find_exclusion
from microfacial.datasets.folders import find_frames, is_inside, list_folder, translate_os_errors
from microfacial.datasets.label_schemes import Scheme
from microfacial.datasets.missing_frames import no_frame_near, no_frames
from microfacial.datasets.video import VIDEO_EXTENSIONS, count_frames
from microfacial.errors import DatasetError
from microfacial.records import ApexSource, Clip

# --- labels -----------------------------------------------------------------------------------------------------------


def classify(row: Annotation, scheme: Scheme) -> tuple[Annotation, str | None]:
    """Correct an annotation and find its class.

    Args:
        row: annotation of one clip.
        scheme: label scheme.

    Returns:
        The corrected annotation with a note for each correction, and its class. The class is None if the scheme leaves
        the clip out.

    Raises:
        DatasetError: the scheme has no rule for the emotion.
    """
    row = correct(row, scheme.name)
    label = scheme.label(row.vocabulary, row.emotion, row.id)
    exclusion = find_exclusion(row.vocabulary, row.subject, row.name, scheme.name)
    if exclusion is None:
        return row, label
    return replace(row, notes=(*row.notes, f"{row.name}: {exclusion.reason}")), None


def correct(row: Annotation, scheme: str) -> Annotation:
    """Return an annotation with the known corrections, and a note for each of them and for each disagreement.

    Args:
        row: annotation of one clip.
        scheme: name of the label scheme. Empty for the corrections that apply under all schemes.
    """
    corrected = row
    for correction in find_corrections(row.vocabulary, row.subject, row.name, scheme):
        corrected = _apply(correction, corrected)
    disagreements = (entry.note for entry in find_disagreements(row.vocabulary, row.subject, row.name))
    return replace(corrected, notes=(*corrected.notes, *disagreements))


def _apply(correction: Correction, row: Annotation) -> Annotation:
    """Return the corrected annotation, or the same annotation if its value is not the wrong one."""
    value = getattr(row, correction.field)
    is_wrong = row.onset > row.offset if correction.wrong is None else value == correction.wrong
    notes = (*row.notes, correction.describe(value))
    match correction.field, correction.right:
        case _ if not is_wrong:
            return row
        case "onset", int(onset):
            return replace(row, onset=onset, notes=notes)
        case "apex", int(apex):
            return replace(row, apex=apex, notes=notes)
        case "offset", int(offset):
            return replace(row, offset=offset, notes=notes)
        case "emotion", str(emotion):
            return replace(row, emotion=emotion, notes=notes)
    raise AssertionError(f"{correction.field} cannot be {correction.right!r}")


# --- clips ------------------------------------------------------------------------------------------------------------


def make_release(rows: tuple[AnnotationRow, ...], folder: Path, locate: Callable[[Annotation], str]) -> Release:
    """Return a release whose clips are folders of frames, or videos in their place.

    Args:
        rows: rows of the annotation table.
        folder: folder of the release.
        locate: returns the path of a row's frames below `folder`, with `{}` or `{:05d}` at the frame number.
    """
    return Release(rows=rows, make_clip=partial(make_clip, folder=folder, locate=locate), locate=locate)


def make_clip(row: Annotation, label: str, max_gap: int, *, folder: Path, locate: Callable[[Annotation], str]) -> Clip:
    """Join an annotation with its frames on disk.

    Args:
        row: annotation of one clip.
        label: class of the clip.
        max_gap: greatest distance, in frames, between a missing key frame and the frame that replaces it. The notes of
            the clip name each replacement.
        folder: folder of the release.
        locate: returns the path of a row's frames below `folder`, with `{}` or `{:05d}` at the frame number.

    Returns:
        The clip.

    Raises:
        DatasetError: there are no frames, the offset is not after the onset, or a key frame and all frames near it are
            missing.
    """
    if row.offset <= row.onset:
        raise DatasetError(
            f"{row.id}: offset {row.offset} is not after onset {row.onset}. "
            "Correct the annotation or list the clip under clips.exclude"
        )
    frames, numbers = _find_frames(row, folder, locate(row))
    apex, apex_source, apex_notes = _choose_apex(row)
    annotated = {"onset": row.onset, "apex": apex, "offset": row.offset}
    moments, moved_notes = _find_key_frames(row, annotated, numbers, max_gap, (folder / frames).parent)
    return Clip(
        corpus=row.corpus,
        subject=row.subject,
        name=row.name,
        emotion=row.emotion,
        label=label,
        action_units=row.action_units,
        frames=frames,
        numbers=tuple(number for number in numbers if moments["onset"] <= number <= moments["offset"]),
        onset=moments["onset"],
        apex=moments["apex"],
        offset=moments["offset"],
        apex_source=apex_source,
        fps=row.fps,
        cropped=row.cropped,
        notes="; ".join((*row.notes, *apex_notes, *moved_notes, *_note_gaps(numbers, **moments))),
    )


def _find_frames(row: Annotation, folder: Path, frames: str) -> tuple[str, tuple[int, ...]]:
    """Return the path of a row's frames below the release, and their numbers. A video can replace the folder."""
    if not is_inside(frames):
        raise DatasetError(f"{row.id}: {frames!r} is not below {folder}. Correct the annotation")
    place = (folder / frames).parent
    video = find_video(place)
    if video is not None:
        return video.relative_to(folder).as_posix(), tuple(range(1, count_frames(video) + 1))
    numbers = find_frames(place, Path(frames).name)
    if not numbers:
        raise no_frames(row.id, folder, place, Path(frames).name)
    return frames, numbers


def find_video(folder: Path) -> Path | None:
    """Return the video that replaces a folder of frames: it has the name of the folder with a video's extension.

    The extension is in lower or in upper case.

    Args:
        folder: folder of frames.

    Returns:
        Path of the video; None if the folder exists, or if neither exists.

    Raises:
        DatasetError: the parent folder cannot be read.
    """
    with translate_os_errors(folder):
        if folder.is_dir():
            return None
        cases = (case for extension in VIDEO_EXTENSIONS for case in (extension, extension.upper()))
        videos = (folder.with_name(folder.name + extension) for extension in cases)
        return next((video for video in videos if video.is_file()), None)


def frames_folder(path: Path) -> Path | None:
    """Return the folder of frames that a path stands for. A video stands for the folder that it replaces.

    Args:
        path: file or folder in a release.

    Returns:
        The path itself for a folder, the path without its extension for a video, and None for any other file.
    """
    if path.is_dir():
        return path
    return path.with_suffix("") if path.suffix.lower() in VIDEO_EXTENSIONS else None


def find_variant(folder: Path, variants: tuple[str, ...]) -> str:
    """Return the first variant of the frames, such as cropped or raw, that is on disk.

    Args:
        folder: folder of the release.
        variants: folders below it, in order of preference.

    Returns:
        The first of the variants that contains a folder, or the first one if none does.

    Raises:
        DatasetError: one of the folders cannot be read.
    """
    filled = (name for name in variants if any(path.is_dir() for path in list_folder(folder / name)))
    return next(filled, variants[0])


def _find_key_frames(
    row: Annotation, annotated: dict[str, int], numbers: tuple[int, ...], max_gap: int, place: Path
) -> tuple[dict[str, int], list[str]]:
    """Return the frame on disk for each moment, and a note for each moment whose annotated frame is missing."""
    moments = {
        moment: _nearest(numbers, number, max_gap, f"{row.id}: {moment}", place) for moment, number in annotated.items()
    }
    if moments["apex"] == moments["onset"]:
        raise DatasetError(
            f"{row.id}: too many frames are missing in {place}: onset and apex fall together. "
            "Copy the clip again from the release or list it under clips.exclude"
        )
    return moments, [
        f"{moment} frame {number} is missing, took {moments[moment]}"
        for moment, number in annotated.items()
        if moments[moment] != number
    ]


def _choose_apex(row: Annotation) -> tuple[int, ApexSource, list[str]]:
    """Return the annotated apex, or the midpoint if the apex is missing or is outside of (onset, offset]."""
    if row.apex is not None and row.onset < row.apex <= row.offset:
        return row.apex, "annotated", []
    middle = (row.onset + row.offset + 1) // 2
    place = "is the onset" if row.apex == row.onset else "is outside onset–offset"
    reason = "" if row.apex is None else f"annotated apex {row.apex} {place}, "
    return middle, "midpoint", [f"{reason}took the midpoint {middle} as apex"]


def _note_gaps(numbers: tuple[int, ...], onset: int, apex: int, offset: int) -> list[str]:
    """Return a note for each phase without a frame between its ends. The windows of such a phase show no motion."""
    notes = []
    if not any(onset < number < apex for number in numbers):
        notes.append("no frame between onset and apex")
    if not any(apex < number < offset for number in numbers):
        notes.append("no frame between apex and offset")
    return notes


def _nearest(numbers: tuple[int, ...], wanted: int, max_gap: int, moment: str, place: Path) -> int:
    """Return the number that is nearest to a wanted one. Refuse a distance above `max_gap`."""
    nearest = min(numbers, key=lambda number: abs(number - wanted))
    if abs(nearest - wanted) > max_gap:
        raise no_frame_near(moment, wanted, nearest, numbers, place)
    return nearest
