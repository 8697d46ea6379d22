"""Is this set-up sound? Every check is made, whatever the others say."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from microfacial.config import load
from microfacial.datasets import list_clips
from microfacial.errors import MicrofacialError
from microfacial.flow import layout
from microfacial.pipeline import check_data
from microfacial.settings import read_sections
from microfacial.stages.project import PARAMS
from microfacial.tracking import connect

_FLOW_BYTES, _CROP_BYTES = 2, 2 * 3  # float16; onset and apex in three colours
_COPIES = 2  # in build/ and in DVC's cache


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what was looked at, whether it is sound, what was seen or what to do."""

    what: str
    sound: bool
    detail: str


def examine() -> Iterator[Finding]:
    """Look at packages, tools, settings, data, tracking and disk; never stops at the first fault."""
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("packages", _check_packages),
        ("tools", _check_tools),
        ("params.yaml", _check_params),
        ("data version", _check_data_version),
        ("clips", _check_clips),
        ("MLflow store", _check_tracking),
        ("disk", _check_disk),
    )
    for what, check in checks:
        try:
            yield Finding(what, True, check())
        except MicrofacialError as error:
            yield Finding(what, False, str(error))


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
        names.append("opencv-python-headless")  # the same library without windows, for machines that lack libGL
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
    check_data()
    return "data/ is the version in data.dvc"


def _check_clips() -> str:
    listing = list_clips(load(PARAMS).clips)
    noted = sum(bool(clip.notes) for clip in listing.clips)
    return f"{len(listing.clips)} clips of {len({clip.person for clip in listing.clips})} subjects, {noted} with notes"


def _check_tracking() -> str:
    read_sections(PARAMS)  # so that no store is made outside of a project
    return f"{len(connect(Path()).search_experiments())} experiments"


def _check_disk() -> str:
    config = load(PARAMS)
    windows, channels, _ = layout(config.flow)
    bytes_per_pixel = len(windows) * channels * _FLOW_BYTES + _CROP_BYTES
    pixels = len(list_clips(config.clips).clips) * config.faces.size_px**2
    needed, free = pixels * bytes_per_pixel * _COPIES / 1e9, shutil.disk_usage(Path()).free / 1e9
    if free < needed:
        raise MicrofacialError(f"{free:.1f} GB free, faces and flow need {needed:.1f} GB. Make room")
    return f"{free:.0f} GB free, faces and flow need {needed:.1f} GB"
