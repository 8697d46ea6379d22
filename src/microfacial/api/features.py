"""Compute faces and flow of loaded clips in a cache folder, or open those of a project."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tqdm import tqdm

from microfacial import files
from microfacial.api.corpora import Clips, Folder
from microfacial.api.stage_configs import as_faces_config, as_flow_config
from microfacial.datasets import ClipsConfig, find_scheme
from microfacial.errors import ConfigError, StorageError
from microfacial.locks import exclusive_lock
from microfacial.preprocessing.clip_cache import SPARE_BYTES, ClipCache, library_versions
from microfacial.preprocessing.face_jobs import ReportProgress, locate_faces
from microfacial.preprocessing.faces import FacesConfig, region_names
from microfacial.preprocessing.flow import FlowConfig, flow_layout
from microfacial.preprocessing.flow_jobs import compute_flow_of_clips
from microfacial.preprocessing.published_maps import check_published_maps
from microfacial.preprocessing.stage_settings import require_stage_settings
from microfacial.preprocessing.store import read_faces_of, read_features, read_store, write_faces, write_flow
from microfacial.records import Clip, FaceStore
from microfacial.settings import read_section
from microfacial.source_code import code_digest
from microfacial.workers import check_processes

_MAPS: Mapping[str, Mapping[str, Any]] = MappingProxyType(  # settings for published flow maps
    {"faces": {"method": "whole", "regions": "grid-28", "size_px": 28}, "flow": {"method": "published"}}
)


@dataclass(frozen=True, kw_only=True, repr=False)
class Features:
    """Faces and flow of clips. It has a length and prints a summary.

    Attributes:
        clips: the clips.
        store: their aligned faces and flow, in the same order. Its arrays are memory-mapped.
        folder: folder of the files.
    """

    clips: Clips
    store: FaceStore
    folder: Path

    def __post_init__(self) -> None:
        """Check that the features belong to the clips.

        Raises:
            StorageError: they belong to other clips.
        """
        if difference := self.store.find_difference(self.clips.clips):
            raise StorageError(
                f"{self.folder}: the features belong to other clips ({difference}). Call extract for them"
            )

    def __len__(self) -> int:
        return len(self.clips)

    def __repr__(self) -> str:
        windows, size, unit = self.store.flow.shape[1], self.store.flow.shape[-1], self.store.unit
        return (
            f"<faces and flow of {self.clips.describe()}. {windows} windows of {size} × {size} px in {unit}, "
            f"regions {', '.join(self.store.regions)}, in {self.folder}>"
        )


def extract(
    clips: Clips,
    *,
    cache: Folder,
    faces: FacesConfig | Mapping[str, Any] | None = None,
    flow: FlowConfig | Mapping[str, Any] | None = None,
    processes: int | None = None,
    progress: bool = True,
) -> Features:
    """Locate the faces of clips and compute their flow, or take both from an earlier call.

    Each combination of clips, settings and code has its own subfolder of the cache, so one cache serves all data sets.
    If some clips are new or have changed since an earlier call, only these are computed. A call that was interrupted
    continues with the missing clips.

    Args:
        clips: the result of `load_corpus`.
        cache: folder of the results. It is created if it is missing.
        faces: keys of the section `faces` of params.yaml. Missing keys have their defaults.
        flow: keys of the section `flow` of params.yaml. Settings of a method need `method`, unless it is the default.
        processes: number of processes. None uses all cores.
        progress: whether to show progress bars.

    Returns:
        The features.

    Raises:
        ConfigError: a setting or another argument is wrong.
        DatasetError: a frame cannot be read, no face was found in some clips, or a clip has no flow.
        StorageError: a file of the cache is damaged or cannot be written, or the disk is full.

    Example:
        >>> features = mf.extract(clips, cache="cache/", faces={"size_px": 128})
    """
    if not isinstance(clips, Clips):
        raise ConfigError(
            f"extract needs the result of load_corpus, not {type(clips).__name__}. Call load_corpus first"
        )
    _check_clips(clips)
    count = check_processes(processes)
    defaults = _MAPS if clips.corpora == ("flow_maps",) else {"faces": {}, "flow": {}}
    faces_config = as_faces_config(faces, "extract", defaults["faces"])
    flow_config = as_flow_config(flow, "extract", defaults["flow"])
    check_published_maps(clips.corpora, faces_config, flow_config, "extract")
    regions = region_names(faces_config)
    root = files.as_path(cache, "extract: cache").absolute()
    faces_code, flow_code = code_digest("faces"), code_digest("flow")
    facts = (*map(_facts, clips), faces_config.model_dump(), flow_config.model_dump(), faces_code, flow_code)
    folder = root / files.digest([], *facts, library_versions())
    try:
        with exclusive_lock(root / "extract.lock", f"another extract with the cache {root}"):
            if not (folder / "faces" / "faces.json").exists():
                with _bar("faces", progress) as report:
                    located = locate_faces(
                        clips.clips,
                        clips.root,
                        faces_config,
                        cache=_clip_cache(root / "clips" / "faces"),
                        code=faces_code,
                        report=report,
                    )
                    write_faces(folder / "faces", len(clips), located, regions, faces_config.size_px)
            if not (folder / "flow" / "index.json").exists():
                _write_flow(clips, folder, flow_config, count, flow_code, progress)
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"{root} cannot be written ({reason}). Choose another folder as cache") from None
    store = read_store(folder / "flow", folder / "faces", _remedy(folder))
    return Features(clips=clips, store=store, folder=folder)


def load_features(project: Folder = ".") -> Features:
    """Open the features that the pipeline has computed in a project.

    Args:
        project: folder of params.yaml.

    Returns:
        The features of the data set that params.yaml names.

    Raises:
        ConfigError: params.yaml is missing, or its section `clips`, `faces` or `flow` is wrong.
        StorageError: a stage up to `flow` has not been run, or its output belongs to other clips or settings.

    Example:
        >>> features = mf.load_features()
    """
    root = files.as_path(project, "load_features: project")
    config = read_section(root / "params.yaml", "clips", ClipsConfig)
    folder = root / "results" / config.name
    require_stage_settings(folder, root / "params.yaml")
    store, listed = read_features(folder)
    clips = Clips(
        clips=listed,
        root=root / config.root,
        corpora=config.corpora,
        classes=find_scheme(config.scheme).classes,
        scheme=config.scheme,
        dropped={},
    )
    return Features(clips=clips, store=store, folder=folder)


def _check_clips(clips: Clips) -> None:
    """Refuse an empty list, and a clip that is in it several times."""
    counts = Counter(clip.id for clip in clips)
    if not counts:
        raise ConfigError("extract needs at least one clip, found 0. Pass other clips")
    ((clip, most),) = counts.most_common(1)
    if most > 1:
        raise ConfigError(f"extract: the clip {clip} appears {most} times. Pass each clip once")


def _remedy(folder: Path) -> str:
    return f"Delete the folder {folder} and call extract again"


def _clip_cache(folder: Path) -> ClipCache:
    """Open the cache of finished clips, which all calls with one cache folder share."""
    return ClipCache(folder, SPARE_BYTES, _remedy(folder))


def _facts(clip: Clip) -> tuple[object, ...]:
    """Return everything about a clip on which its face and flow depend. Labels do not matter."""
    moments = (clip.onset, clip.apex, clip.offset)
    return clip.id, clip.digest, clip.numbers, moments, clip.corpus, clip.cropped, clip.fps


def _write_flow(clips: Clips, folder: Path, config: FlowConfig, processes: int, code: str, progress: bool) -> None:
    """Write the flow of the clips."""
    faces, size_px = read_faces_of(folder / "faces", clips.clips, only=True, remedy=_remedy(folder))
    with _bar("flow", progress) as report:
        flows = compute_flow_of_clips(
            clips.clips,
            faces,
            size_px,
            config,
            cache=_clip_cache(folder.parent / "clips" / "flow"),
            frames_root=clips.root,
            processes=processes,
            code=code,
            report=report,
        )
        write_flow(folder / "flow", [clip.id for clip in clips], flows, flow_layout(config), size_px)


@contextmanager
def _bar(label: str, progress: bool) -> Iterator[ReportProgress]:
    """Show a progress bar. Yields a function that takes the number of clips that are done, and of all clips."""
    with tqdm(desc=label, unit="clip", disable=not progress) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield report
