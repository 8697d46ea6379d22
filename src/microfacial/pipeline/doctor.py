"""Checks of a set-up and of releases on disk. A failed check does not stop the other checks."""

import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from microfacial.datasets import DATASETS, ClipsConfig, list_clips
from microfacial.datasets.folders import translate_os_errors
from microfacial.datasets.frames import read_frames
from microfacial.datasets.validation import (
    CheckedRow,
    FoundRelease,
    Remark,
    check_release,
    count_classes,
    find_releases,
)
from microfacial.errors import DatasetError, MicrofacialError
from microfacial.pipeline.config import load
from microfacial.pipeline.data_version import check_data
from microfacial.pipeline.project import PARAMS
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig, flow_layout, key_frames
from microfacial.records import Clip
from microfacial.settings import read_section, read_sections
from microfacial.tracking.store import connect, describe_store

_FLOW_BYTES, _CROP_BYTES = 2, 2 * 3  # float16; onset and apex in three colours
_COPIES = 2  # in results/ and in DVC's cache
_MAX_GAP = 3  # frames, the default of clips.max_frame_gap


@dataclass(frozen=True)
class CheckResult:
    """Result of one check, printed as one line.

    Attributes:
        subject: name of the check, such as `disk`.
        sound: whether the check passed.
        detail: the observation, or the fault and its remedy.
    """

    subject: str
    sound: bool
    detail: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.sound else 'FAIL'} {self.subject}: {self.detail}"


@dataclass(frozen=True)
class RowReport:
    """A remark about one row of a release, printed as one line.

    Attributes:
        remark: the remark.
        row: name of the row, or an empty text for a remark about the whole release.
    """

    remark: Remark
    row: str

    @property
    def sound(self) -> bool:
        """Whether the row can still be used in a data set."""
        return self.remark.sound

    def __str__(self) -> str:
        return f"{self.remark.kind:<10}  {self.row}{': ' if self.row else ''}{self.remark.text}"


def examine() -> Iterator[CheckResult]:
    """Check packages, tools, settings, data, tracking and disk.

    Yields:
        One result per check. A failed check does not stop the others.
    """
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("packages", _check_packages),
        ("tools", _check_tools),
        ("params.yaml", _check_params),
        ("data version", _check_data_version),
        ("clips", _check_clips),
        ("MLflow store", _check_tracking),
        ("disk", _check_disk),
    )
    for subject, check in checks:
        try:
            yield CheckResult(subject, True, check())
        except MicrofacialError as error:
            yield CheckResult(subject, False, str(error))


def _check_packages() -> str:
    lines = (Requirement(line) for line in metadata.requires("microfacial") or ())
    requirements = [line for line in lines if line.marker is None]
    faults = [fault for line in requirements if (fault := _package_fault(line))]
    if faults:
        raise MicrofacialError(f"{'; '.join(faults)}. Run `make setup`")
    return f"Python {sys.version.split()[0]}, {len(requirements)} requirements"


def _package_fault(requirement: Requirement) -> str | None:
    names = [requirement.name]
    if requirement.name == "opencv-python":
        names.append("opencv-python-headless")  # the same library without windows, for machines without libGL
    for name in names:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        return None if version in requirement.specifier else f"{name} {version} is not {requirement.specifier}"
    return f"{requirement.name} is not installed"


def _check_tools() -> str:
    missing = [tool for tool in ("git", "make") if shutil.which(tool) is None]
    if missing:
        raise MicrofacialError(f"{' and '.join(missing)} not found. Install with your system's package manager")
    return "git, make"


def _check_params() -> str:
    config = load(PARAMS)
    return f"data set {config.clips.name}, models {', '.join(config.models)}"


def _check_data_version() -> str:
    return check_data(Path(read_section(PARAMS, "clips", ClipsConfig).root))


def _check_clips() -> str:
    listing = list_clips(load(PARAMS).clips)
    noted = sum(bool(clip.notes) for clip in listing.clips)
    return f"{len(listing.clips)} clips of {len({clip.person for clip in listing.clips})} subjects, {noted} with notes"


def _check_tracking() -> str:
    read_sections(PARAMS)  # raises outside of a project, where no store must be created
    return describe_store(connect(Path()), Path())


def _check_disk() -> str:
    config = load(PARAMS)
    needed = _built_gb(len(list_clips(config.clips).clips), config.flow, config.faces.size_px)
    free = shutil.disk_usage(Path()).free / 1e9
    if free < needed:
        raise MicrofacialError(f"{free:.1f} GB free, faces and flow need {needed:.1f} GB. Make room")
    return f"{free:.0f} GB free, faces and flow need {needed:.1f} GB"


def _built_gb(clips: int, flow: FlowConfig, size_px: int) -> float:
    """Return the disk space of faces and flow, with DVC's copies, in GB."""
    windows, channels, _ = flow_layout(flow)
    bytes_per_pixel = len(windows) * channels * _FLOW_BYTES + _CROP_BYTES
    return clips * size_px**2 * bytes_per_pixel * _COPIES / 1e9


# --- a release --------------------------------------------------------------------------------------------------------


def examine_releases(path: Path) -> Iterator[CheckResult | RowReport]:
    """Check every release in a folder row by row, then count its classes and its disk space.

    Args:
        path: a release, or a folder of releases.

    Yields:
        Remarks about rows, then one result per release, label scheme and disk.

    Raises:
        DatasetError: the folder contains no release of a known corpus.
    """
    releases = find_releases(path)
    if not releases:
        raise DatasetError(
            f"{path}: no release of {', '.join(DATASETS)} in it or in its folders of these names. Give another folder"
        )
    clips = 0
    for release in releases:
        clips += yield from _examine_release(release)
    folders = {release.folder for release in releases if not isinstance(release.release, DatasetError)}
    yield _need_disk(folders, path, clips)


def _examine_release(release: FoundRelease) -> Generator[CheckResult | RowReport, None, int]:
    """Yield remarks about the rows of a release, then a summary. Return how many clips the release has."""
    subject = f"{release.corpus} in {release.folder}"
    if isinstance(release.release, DatasetError):
        yield CheckResult(subject, False, str(release.release))
        return 0
    rows = []
    for row in check_release(release.release, _MAX_GAP, partial(_decode_key_frames, folder=release.folder)):
        rows.append(row)
        yield from (RowReport(remark, row.name) for remark in row.remarks)
    usable = [row.clip for row in rows if row.clip is not None]
    sound = all(remark.sound for row in rows for remark in row.remarks)
    noted = sum(bool(row.remarks) for row in rows)
    yield CheckResult(subject, sound, f"{len(rows)} rows, {len(usable)} give a clip, {noted} with remarks")
    yield from _count_schemes(rows)
    return len(usable)


def _decode_key_frames(clip: Clip, folder: Path) -> object:
    """Decode the key frames of a clip, as the stage `flow` does."""
    return read_frames(clip, folder, key_frames(clip))


def _count_schemes(rows: list[CheckedRow]) -> Iterator[CheckResult]:
    for scheme, counts in count_classes(rows).items():
        people = {row.clip.person for row in rows if row.clip is not None and scheme in row.labels}
        classes = ", ".join(f"{label} {count}" for label, count in counts.items())
        yield CheckResult(scheme, True, f"{counts.total()} clips of {len(people)} subjects: {classes}")


def _need_disk(folders: set[Path], path: Path, clips: int) -> CheckResult:
    try:
        raw = sum(_size_gb(folder) for folder in folders)
    except DatasetError as error:
        return CheckResult("disk", False, str(error))
    built = _built_gb(clips, FlowConfig(), FacesConfig().size_px)
    free = shutil.disk_usage(path).free / 1e9
    detail = f"{free:.0f} GB free; DVC's copy of all releases needs {raw:.1f} GB, faces and flow {built:.1f} GB"
    return CheckResult("disk", free > raw + built, detail if free > raw + built else f"{detail}. Make room")


def _size_gb(folder: Path) -> float:
    with translate_os_errors(folder):
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9
