"""Check a release row by row: list everything that is missing, refused, changed, suspicious or left out.

A fault in one row does not stop the check of the others.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from microfacial.datasets import DATASETS
from microfacial.datasets.action_units import parse_action_units
from microfacial.datasets.annotations import Annotation, FaultyRow, Release
from microfacial.datasets.clips import classify, correct
from microfacial.datasets.habits import SEARCH_APEX, Habits, observe_habits
from microfacial.datasets.label_schemes import SCHEMES
from microfacial.datasets.missing_frames import MissingFolderError
from microfacial.errors import AbsentError, DatasetError
from microfacial.records import Clip

_MIDPOINT = "took the midpoint"

RemarkKind = Literal["missing", "refused", "changed", "suspicious", "dropped"]


@dataclass(frozen=True)
class Remark:
    """One remark about one row.

    Attributes:
        kind: `missing` if the row gives no clip, `refused` if its clip cannot be in a data set, `changed` if a value
            was corrected or replaced, `suspicious` if a value is improbable, `dropped` if a scheme leaves the clip out.
        text: remark in words.
        cause: text that describes this and all remarks with the same cause, such as a missing folder. Empty if the
            remark is about its row alone.
    """

    kind: RemarkKind
    text: str
    cause: str = ""

    @property
    def sound(self) -> bool:
        """Whether a data set can be made in spite of the remark."""
        return self.kind not in ("missing", "refused")


@dataclass(frozen=True, kw_only=True)
class CheckedRow:
    """One row after the check.

    Attributes:
        name: clip id and place of the row, for output.
        clip: clip of the row; None if it gives none.
        labels: class of the clip by label scheme, for each scheme that keeps it.
        remarks: remarks about the row.
    """

    name: str
    clip: Clip | None
    labels: Mapping[str, str]
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, kw_only=True)
class FoundRelease:
    """A folder that contains a release, or that should contain one.

    Attributes:
        corpus: name of the corpus.
        folder: folder of the release.
        release: the release, or the error that was raised when it was opened.
    """

    corpus: str
    folder: Path
    release: Release | DatasetError


# --- releases ---------------------------------------------------------------------------------------------------------


def find_releases(path: Path) -> tuple[FoundRelease, ...]:
    """Find releases in a folder.

    The search looks for the standard folders of the corpora below the path. If none of them contains a release, it
    looks in the path itself, and then in each folder below it. A standard folder without a release is returned with its
    error.

    Args:
        path: folder that contains releases, or folder of one release.

    Returns:
        Releases, and folders with errors. Empty if there are none.
    """
    folders = dict.fromkeys(dataset.folder for dataset in DATASETS.values())
    standard = [release for name in folders if (path / name).is_dir() for release in _open_standard(path, name)]
    if any(_is_present(release) for release in standard):
        return tuple(standard)
    below = (release for folder in sorted(path.glob("*")) if folder.is_dir() for release in _open_any(folder))
    return tuple(_open_any(path)) or (*below, *standard)


def _open_standard(path: Path, folder: str) -> list[FoundRelease]:
    """Return the releases in a standard folder. If there is none, return the errors of all attempts as one."""
    attempts = [_open(name, path / folder) for name, dataset in DATASETS.items() if dataset.folder == folder]
    present = [release for release in attempts if _is_present(release)]
    if present:
        return present
    reasons = "; or ".join(str(attempt.release) for attempt in attempts)
    return [replace(attempts[0], release=AbsentError(reasons))]


def _open_any(folder: Path) -> list[FoundRelease]:
    """Return the releases of all corpora in a folder."""
    attempts = (_open(name, folder) for name in DATASETS if name != "demo")  # the reader of casme2 finds the demo too
    return [release for release in attempts if _is_present(release)]


def _is_present(attempt: FoundRelease) -> bool:
    return not isinstance(attempt.release, AbsentError)


def _open(corpus: str, folder: Path) -> FoundRelease:
    try:
        return FoundRelease(corpus=corpus, folder=folder, release=DATASETS[corpus].open_release(folder))
    except DatasetError as error:
        return FoundRelease(corpus=corpus, folder=folder, release=error)


# --- rows -------------------------------------------------------------------------------------------------------------


def check_release(release: Release, max_gap: int, read: Callable[[Clip], object]) -> Iterator[CheckedRow]:
    """Check each row of a release.

    Args:
        release: release of a corpus.
        max_gap: greatest distance, in frames, between a missing key frame and the frame that replaces it.
        read: reads the frames of a clip. Raises DatasetError if they cannot be used.

    Yields:
        Each row with its remarks, in the order of the release.
    """
    times = Counter[str]()
    habits = observe_habits(release.rows)
    for row in release.rows:
        if isinstance(row, Annotation):
            times[row.id] += 1
            yield _check_row(row, release, habits, max_gap, read, repeated=times[row.id] > 1)
        else:
            remark = Remark("missing" if isinstance(row, FaultyRow) else "dropped", row.reason)
            yield CheckedRow(name=row.id, clip=None, labels={}, remarks=(remark,))


def _check_row(
    row: Annotation, release: Release, habits: Habits, max_gap: int, read: Callable[[Clip], object], *, repeated: bool
) -> CheckedRow:
    name = f"{row.id} ({row.where})" if row.where else row.id
    repetition = (Remark("refused", "an earlier row has the same clip id: remove one of them"),) if repeated else ()
    corrected = correct(row, scheme="")
    try:
        clip = release.make_clip(corrected, "", max_gap)
        read(clip)
    except DatasetError as error:
        cause = error.cause if isinstance(error, MissingFolderError) else ""
        missing = Remark("missing", _message_without_id(error, row), cause)
        return CheckedRow(name=name, clip=None, labels={}, remarks=(missing, *repetition))
    labels, label_remarks = _check_labels(row, corrected)
    changes = [
        Remark("changed", f"{note}. {SEARCH_APEX}", habits.midpoint_cause)
        if _MIDPOINT in note
        else Remark("changed", note)
        for note in filter(None, clip.notes.split("; "))
    ]
    suspicions = [
        *(Remark("suspicious", text, cause) for text, cause in habits.judge_duration(clip)),
        *(Remark("suspicious", text) for text in _find_suspicions(row, clip)),
    ]
    return CheckedRow(name=name, clip=clip, labels=labels, remarks=(*changes, *label_remarks, *suspicions, *repetition))


def _message_without_id(error: DatasetError, row: Annotation) -> str:
    """Return the message of an error without the clip id at its start, because the name of the row has it already."""
    return str(error).removeprefix(f"{row.id}: ")


def merge_causes(remarks: Sequence[tuple[str, Remark]]) -> list[tuple[str, Remark]]:
    """Replace the remarks of several rows that have the same cause by one.

    Args:
        remarks: names of rows and remarks about them.

    Returns:
        Remarks in the order of the first of each cause. A merged remark is named after the number of its rows.
    """
    counts = Counter((remark.kind, remark.cause) for _, remark in remarks if remark.cause)
    merged: dict[object, tuple[str, Remark]] = {}
    for name, remark in remarks:
        key = (remark.kind, remark.cause)
        if counts[key] > 1:
            merged[key] = (f"{counts[key]} clips", replace(remark, text=remark.cause))
        else:
            merged[len(merged)] = (name, remark)
    return list(merged.values())


# --- labels -----------------------------------------------------------------------------------------------------------


def _check_labels(row: Annotation, corrected: Annotation) -> tuple[dict[str, str], list[Remark]]:
    """Return the class under each scheme, and a remark for each change or exclusion that only some schemes make."""
    labels: dict[str, str] = {}
    remarks: list[Remark] = []
    unknown: list[str] = []
    schemes = [scheme for scheme in SCHEMES.values() if row.vocabulary in scheme.rules]
    for scheme in schemes:
        try:
            classified, label = classify(row, scheme)
        except DatasetError as error:
            unknown.append(_message_without_id(error, row))
            continue
        if label is not None:
            labels[scheme.name] = label
        remarks += [
            Remark("dropped" if label is None else "changed", f"under {scheme.name}: {note}")
            for note in classified.notes
            if note not in corrected.notes
        ]
    remarks += [Remark("suspicious" if len(unknown) < len(schemes) else "refused", text) for text in unknown]
    if schemes and not labels and not remarks:
        remarks.append(Remark("dropped", f"no scheme keeps {row.emotion}"))
    return labels, remarks


def count_classes(rows: Sequence[CheckedRow]) -> dict[str, Counter[str]]:
    """Count the clips of each class under each label scheme.

    Args:
        rows: checked rows.

    Returns:
        Counts of the classes by scheme, for the schemes that keep any clip. Classes are in the scheme's order.
    """
    counts: dict[str, Counter[str]] = {}
    for scheme in SCHEMES.values():
        clips = Counter(row.labels[scheme.name] for row in rows if scheme.name in row.labels)
        if clips:
            counts[scheme.name] = Counter({label: clips[label] for label in scheme.classes})
    return counts


# --- suspicions -------------------------------------------------------------------------------------------------------


def _find_suspicions(row: Annotation, clip: Clip) -> Iterator[str]:
    """Yield a text for each improbable value."""
    if row.apex is not None and row.apex == row.offset != row.onset:
        yield f"apex {row.apex} is the offset"
    absent = clip.offset - clip.onset + 1 - len(clip.numbers)
    if absent:
        yield f"{absent} of the {absent + len(clip.numbers)} frames from onset to offset are absent"
    for term in parse_action_units(clip.action_units):
        if isinstance(term, str):
            yield f"action units {clip.action_units!r}: {term!r} is not an action unit"
