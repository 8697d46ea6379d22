"""Checks of a set-up. A failed check does not stop the other checks."""

import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from microfacial.datasets import ClipsConfig, list_clips
from microfacial.disk import existing_parent
from microfacial.errors import MicrofacialError, StorageError
from microfacial.pipeline.config import load
from microfacial.pipeline.data_version import check_data
from microfacial.pipeline.extras import EXTRAS, explain_missing_extras
from microfacial.pipeline.project import PARAMS, RESULTS
from microfacial.pipeline.suspicious_clips import find_suspicious_faces, find_suspicious_flow
from microfacial.pipeline.tools import reason, run_git
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig, flow_layout
from microfacial.preprocessing.stage_settings import require_stage_settings
from microfacial.preprocessing.store import read_crops, read_faces, read_flow
from microfacial.settings import read_section, read_sections
from microfacial.source_code import find_installed

_LOG = logging.getLogger(__name__)
_FLOW_BYTES, _CROP_BYTES = 2, 2 * 3  # float16; onset and apex in three colours
_COPIES = 2  # in results/ and in DVC's cache
_CACHE = Path(".dvc/cache")
_INSTALL = 'Run `make setup` in a checkout, or `pip install --upgrade "microfacial[all]"`'


@dataclass(frozen=True)
class CheckResult:
    """Result of one check, printed as one line.

    Attributes:
        subject: name of the check, such as `disk`.
        sound: whether the check passed, or could not be made because of a fault that was printed.
        detail: the observation, or the fault and its remedy.
        word: first word of the line, in place of `ok` or `FAIL`.
    """

    subject: str
    sound: bool
    detail: str
    word: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that `doctor --json` prints."""
        status = self.word or ("ok" if self.sound else "fail")
        return {"subject": self.subject, "status": status, "sound": self.sound, "details": [self.detail]}

    def __str__(self) -> str:
        return f"{self.word or ('ok' if self.sound else 'FAIL'):<4} {self.subject}: {self.detail}"


def examine() -> Iterator[CheckResult]:
    """Check packages, tools, settings, data, tracking and disk.

    Yields:
        Results of each check: failed checks first, then warnings. A failed check does not stop the others. A fault that
        stops several checks is printed once.
    """
    results = [*_run_checks()]
    yield from sorted(results, key=lambda result: (result.sound, result.word != "warn"))


def _run_checks() -> Iterator[CheckResult]:
    checks: tuple[tuple[str, Callable[[], str | list[str]]], ...] = (
        ("packages", _check_packages),
        ("tools", _check_tools),
        ("params.yaml", _check_params),
        ("data version", _check_data_version),
        ("clips", _check_clips),
        ("faces and flow", _check_features),
        ("MLflow store", _check_tracking),
        ("disk", _check_disk),
    )
    faults: dict[str, str] = {}
    for subject, check in checks:
        _LOG.debug("doctor: checking %s", subject)
        try:
            with explain_missing_extras():
                answer = check()
            if isinstance(answer, str):
                yield CheckResult(subject, True, answer)
            else:
                yield from (CheckResult(subject, True, warning, "warn") for warning in answer)
        except MicrofacialError as error:
            cause = next((earlier for earlier, fault in faults.items() if str(error) in fault), None)
            if cause is None:
                faults[subject] = str(error)
                yield CheckResult(subject, False, str(error))
            else:
                yield CheckResult(subject, True, f"not checked, because {cause} failed", "skip")


def _check_packages() -> str:
    try:
        lines = [Requirement(line) for line in metadata.requires("microfacial") or ()]
    except metadata.PackageNotFoundError:
        lines = []
    required = [line for line in lines if _is_required(line, "")]
    if not required:
        raise MicrofacialError(f"microfacial is not installed, so its requirements are unknown. {_INSTALL}")
    missing = []
    for extra in sorted({*EXTRAS.values()}):
        optional = [line for line in lines if line not in required and _is_required(line, extra)]
        required += [line for line in optional if find_installed(line.name)]
        if not all(find_installed(line.name) for line in optional):
            missing.append(extra)
    faults = [fault for line in required if (fault := _package_fault(line))]
    if faults:
        raise MicrofacialError(f"{'; '.join(faults)}. {_INSTALL}")
    note = f'. Not installed: {", ".join(missing)} (`pip install "microfacial[all]"`)' if missing else ""
    return f"Python {sys.version.split()[0]}, {len(required)} requirements{note}"


def _is_required(requirement: Requirement, extra: str) -> bool:
    """Return whether an installation with an extra needs a package. An empty name means no extra."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _package_fault(requirement: Requirement) -> str | None:
    package = find_installed(requirement.name)
    if package is None:
        return f"{requirement.name} is not installed"
    name, version = package
    return None if version in requirement.specifier else f"{name} {version} is not {requirement.specifier}"


def _check_tools() -> str:
    missing = [tool for tool in ("git", "make") if shutil.which(tool) is None]
    if missing:
        raise MicrofacialError(f"{' and '.join(missing)} not found. Install with your system's package manager")
    answer = run_git("--version")
    if answer.returncode != 0:
        raise MicrofacialError(f"git does not run ({reason(answer.stderr)}). Install it again")
    return "git, make"


def _check_params() -> str:
    config = load(PARAMS)
    return f"data set {config.clips.name}, models {', '.join(config.models)}"


def _check_data_version() -> str:
    return check_data(Path(read_section(PARAMS, "clips", ClipsConfig).root))


def _check_clips() -> str:
    listing = list_clips(read_section(PARAMS, "clips", ClipsConfig))
    noted = sum(bool(clip.notes) for clip in listing.clips)
    return f"{len(listing.clips)} clips of {len({clip.person for clip in listing.clips})} subjects, {noted} with notes"


def _check_features() -> str | list[str]:
    """Check the faces and the flow that the stages wrote. Return a list of warnings if clips are suspicious."""
    results = RESULTS / read_section(PARAMS, "clips", ClipsConfig).name
    if not (results / "faces").exists():
        return f"{results}/faces is not computed yet"
    warnings = []
    try:
        require_stage_settings(results, PARAMS)
    except StorageError as error:
        warnings.append(str(error))
    faces, _, size_px = read_faces(results / "faces")
    crops = read_crops(results / "faces", [face.clip for face in faces], size_px)
    warnings += find_suspicious_faces(faces, crops, read_section(PARAMS, "faces", FacesConfig))
    if (results / "flow").exists():
        index, flow = read_flow(results / "flow", size_px)
        warnings += find_suspicious_flow(index.clips, flow)
    return warnings or f"{len(faces)} clips, nothing suspicious"


def _check_tracking() -> str:
    read_sections(PARAMS)  # raises outside of a project, where no store must be created
    from microfacial.tracking.store import connect, mlflow_errors_as_pipeline_errors
    from microfacial.tracking.store_check import check_store

    clips, root = read_section(PARAMS, "clips", ClipsConfig), Path()
    with mlflow_errors_as_pipeline_errors(root):
        return check_store(connect(root, reading=True), root, clips.name, clips.scheme)


def _check_disk() -> str:
    clips = list_clips(read_section(PARAMS, "clips", ClipsConfig)).clips
    flow, faces = read_section(PARAMS, "flow", FlowConfig), read_section(PARAMS, "faces", FacesConfig)
    needed = built_gb(len(clips), flow, faces.size_px)
    folders = {existing_parent(folder).stat().st_dev: folder for folder in (_CACHE, RESULTS)}
    share = needed / len(folders)  # one copy on each file system, or both on one
    for folder in folders.values():
        free = shutil.disk_usage(existing_parent(folder)).free / 1e9
        if free < share:
            place = f" for {folder}/" if len(folders) > 1 else ""
            raise MicrofacialError(f"{free:.1f} GB free{place}, faces and flow need {share:.1f} GB. Make room")
    return f"{free:.0f} GB free, faces and flow need {share:.1f} GB"


def built_gb(clips: int, flow: FlowConfig, size_px: int) -> float:
    """Return the disk space of faces and flow, with DVC's copies, in GB.

    Args:
        clips: number of clips.
        flow: settings of flow.
        size_px: side of the aligned square.
    """
    windows, channels, _ = flow_layout(flow)
    bytes_per_pixel = len(windows) * channels * _FLOW_BYTES + _CROP_BYTES
    return clips * size_px**2 * bytes_per_pixel * _COPIES / 1e9
