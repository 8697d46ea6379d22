"""`doctor PATH`: check releases row by row, and print remarks in groups. Problems that stop the pipeline come first."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from microfacial.datasets import DATASETS
from microfacial.datasets.damage_lists import add_damage, read_damage_lists
from microfacial.datasets.folders import translate_os_errors
from microfacial.datasets.frames import read_frames
from microfacial.datasets.validation import (
    CheckedRow,
    FoundRelease,
    Remark,
    RemarkKind,
    check_release,
    count_classes,
    find_releases,
    merge_causes,
)
from microfacial.errors import DatasetError
from microfacial.pipeline.doctor import CheckResult, built_gb
from microfacial.pipeline.message_groups import SHOWN, group_messages, list_group
from microfacial.pipeline.progress import progress_bar
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig, key_frames
from microfacial.records import Clip

_MAX_GAP = 3  # frames, the default of clips.max_frame_gap
_ORDER: tuple[RemarkKind, ...] = ("missing", "refused", "suspicious", "changed", "dropped")


@dataclass(frozen=True)
class RemarkGroup:
    """Remarks of one kind that differ only in names and numbers.

    Attributes:
        remark: first remark of the group.
        lines: texts to print.
    """

    remark: Remark
    lines: Sequence[str]

    @property
    def sound(self) -> bool:
        """Whether a data set can be made in spite of the remarks."""
        return self.remark.sound

    def __str__(self) -> str:
        return "\n".join(f"{self.remark.kind:<10}  {line}" for line in self.lines)


def examine_releases(path: Path, *, show_all: bool = False) -> Iterator[CheckResult | RemarkGroup]:
    """Check every release in a folder row by row, then count its classes and its disk space.

    Args:
        path: a release, or a folder of releases.
        show_all: whether to print every remark.

    Yields:
        Groups of remarks and failed checks that stop the pipeline, then the other remarks, then the other results.

    Raises:
        DatasetError: the folder contains no release of a known corpus.
    """
    releases = find_releases(path)
    if not releases:
        raise DatasetError(
            f"{path}: no release of {', '.join(DATASETS)} in it or in its folders of these names. Give another folder"
        )
    remarks: list[tuple[str, Remark]] = []
    results: list[CheckResult] = []
    clips = 0
    for release in releases:
        rows, about_release = _check_rows(release)
        remarks += [(row.name, remark) for row in rows for remark in row.remarks]
        remarks += about_release
        results += _summarise(release, rows)
        clips += sum(row.clip is not None for row in rows)
    folders = {release.folder for release in releases if not isinstance(release.release, DatasetError)}
    results.append(_need_disk(folders, path, clips))
    groups = list(_group(remarks, None) if show_all else _group(merge_causes(remarks), SHOWN))
    yield from (group for group in groups if not group.sound)
    yield from (result for result in results if not result.sound)
    yield from (group for group in groups if group.sound)
    yield from (result for result in results if result.sound)


def _check_rows(release: FoundRelease) -> tuple[list[CheckedRow], list[tuple[str, Remark]]]:
    """Return the checked rows of a release, and remarks about the whole release."""
    if isinstance(release.release, DatasetError):
        return [], []
    decode = partial(_decode_key_frames, folder=release.folder)
    checked = check_release(release.release, _MAX_GAP, decode)
    with progress_bar(checked, f"{release.corpus}", len(release.release.rows), "row") as bar:
        rows = list(bar)
    try:
        lines, unread = read_damage_lists(release.folder)
    except DatasetError as error:
        return rows, [("", Remark("suspicious", str(error)))]
    rows, unmatched = add_damage(rows, lines)
    return rows, [(f"{release.corpus}", Remark("suspicious", text)) for text in (*unread, *unmatched)]


def _group(remarks: Sequence[tuple[str, Remark]], shown: int | None) -> Iterator[RemarkGroup]:
    """Group remarks by their kind and by their message without names and numbers."""
    for kind in _ORDER:
        of_kind = [(row, remark.text) for row, remark in remarks if remark.kind == kind]
        for group in group_messages(of_kind):
            yield RemarkGroup(Remark(kind, group[0][1]), list_group(group, shown, "--all shows them"))


def _summarise(release: FoundRelease, rows: Sequence[CheckedRow]) -> Iterator[CheckResult]:
    """Yield the number of usable rows of a release, and its classes under each scheme."""
    subject = f"{release.corpus} in {release.folder}"
    if isinstance(release.release, DatasetError):
        yield CheckResult(subject, False, str(release.release))
        return
    usable = sum(row.clip is not None for row in rows)
    sound = all(remark.sound for row in rows for remark in row.remarks)
    noted = sum(bool(row.remarks) for row in rows)
    yield CheckResult(subject, sound, f"{len(rows)} rows, {usable} give a clip, {noted} with remarks")
    for scheme, counts in count_classes(rows).items():
        people = {row.clip.person for row in rows if row.clip is not None and scheme in row.labels}
        classes = ", ".join(f"{label} {count}" for label, count in counts.items())
        yield CheckResult(scheme, True, f"{counts.total()} clips of {len(people)} subjects: {classes}")


def _decode_key_frames(clip: Clip, folder: Path) -> object:
    """Decode the key frames of a clip, as the stage `flow` does."""
    return read_frames(clip, folder, key_frames(clip))


def _need_disk(folders: set[Path], path: Path, clips: int) -> CheckResult:
    try:
        raw = sum(_size_gb(folder) for folder in folders)
    except DatasetError as error:
        return CheckResult("disk", False, str(error))
    built = built_gb(clips, FlowConfig(), FacesConfig().size_px)
    free = shutil.disk_usage(path).free / 1e9
    detail = f"{free:.0f} GB free; DVC's copy of all releases needs {raw:.1f} GB, faces and flow {built:.1f} GB"
    return CheckResult("disk", free > raw + built, detail if free > raw + built else f"{detail}. Make room")


def _size_gb(folder: Path) -> float:
    with translate_os_errors(folder):
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9
