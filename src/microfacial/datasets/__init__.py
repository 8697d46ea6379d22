"""Read corpora from disk as clips, label them, and draw synthetic releases of them.

This package holds everything that depends on the layout of a corpus, on its annotations, or on the format of its
frames. It does not locate faces and does not compute flow. Each corpus has one module; `DATASETS` lists them.

Axes: N frames · H, W height and width of a frame in pixels.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from microfacial.datasets import (
    casme,
    casme2,
    casme3,
    casme3_c,
    casme_sq,
    dfme,
    flow_maps,
    fourdme,
    mmew,
    samm,
    samm_lv,
    smic,
    smic_e,
)
from microfacial.datasets.annotations import Annotation, FaultyRow, Release, SkippedRow
from microfacial.datasets.clips import classify
from microfacial.datasets.label_schemes import SCHEMES, UNITS_SCHEME, Scheme
from microfacial.errors import ConfigError, DatasetError, suggest
from microfacial.plugins import DATASET_GROUP, list_plugins, load_plugin
from microfacial.records import Clip
from microfacial.settings import Section

_LOG = logging.getLogger(__name__)
_EXCLUDED = "excluded "  # prefix of a clip's id in `Listing.dropped`


@dataclass(frozen=True)
class Dataset:
    """One corpus.

    Attributes:
        folder: folder of the release below `clips.root`.
        open_release: reads the release in a folder.
        schemes: label schemes for the corpus, in addition to `SCHEMES`. Packages that offer a corpus use it.
    """

    folder: str
    open_release: Callable[[Path], Release]
    schemes: tuple[Scheme, ...] = ()


DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        "4dme": Dataset("4dme", fourdme.open_4dme),
        "casme": Dataset("casme", casme.open_casme),
        "casme2": Dataset("casme2", casme2.open_casme2),
        "casme3": Dataset("casme3", casme3.open_casme3),
        "casme3_c": Dataset("casme3", casme3_c.open_casme3_c),
        "casme_sq": Dataset("casme_sq", casme_sq.open_casme_sq),
        "demo": Dataset("demo", casme2.open_casme2),
        "dfme": Dataset("dfme", dfme.open_dfme),
        "flow_maps": Dataset("flow_maps", flow_maps.open_flow_maps),
        "mmew": Dataset("mmew", mmew.open_mmew),
        "samm": Dataset("samm", samm.open_samm),
        "samm_lv": Dataset("samm", samm_lv.open_samm_lv),
        "smic_e_hs": Dataset("smic", partial(smic_e.open_smic_e, camera="HS")),
        "smic_e_nir": Dataset("smic", partial(smic_e.open_smic_e, camera="NIR")),
        "smic_e_vis": Dataset("smic", partial(smic_e.open_smic_e, camera="VIS")),
        "smic_hs": Dataset("smic", partial(smic.open_smic, camera="HS")),
        "smic_nir": Dataset("smic", partial(smic.open_smic, camera="NIR")),
        "smic_vis": Dataset("smic", partial(smic.open_smic, camera="VIS")),
    }
)


def list_datasets() -> tuple[str, ...]:
    """Return the names of all corpora: those of `DATASETS`, then those of installed packages."""
    return (*DATASETS, *(name for name in list_plugins(DATASET_GROUP) if name not in DATASETS))


def find_dataset(name: str) -> Dataset:
    """Return a corpus.

    Args:
        name: name of the corpus, one of `list_datasets()`.

    Returns:
        The corpus.

    Raises:
        ConfigError: there is no such corpus, or the package that offers it is broken.
    """
    if isinstance(name, str) and name in list_plugins(DATASET_GROUP):
        dataset: Dataset = load_plugin(DATASET_GROUP, name, (Dataset,), DATASETS)
        return dataset
    if not isinstance(name, str) or name not in DATASETS:
        raise ConfigError(f"{name!r} is not a corpus. Choose from {', '.join(list_datasets())}")
    return DATASETS[name]


def find_scheme(name: str) -> Scheme:
    """Return a label scheme.

    Args:
        name: name of a scheme in `SCHEMES` or `Dataset.schemes` of a corpus that a package offers, or `units`.

    Returns:
        The scheme.

    Raises:
        ConfigError: there is no such scheme, or a package that offers a corpus is broken.
    """
    schemes = {**SCHEMES, UNITS_SCHEME.name: UNITS_SCHEME}
    if isinstance(name, str) and name in schemes:
        return schemes[name]
    offered = {scheme.name: scheme for corpus in list_plugins(DATASET_GROUP) for scheme in find_dataset(corpus).schemes}
    if not isinstance(name, str) or name not in offered:
        raise ConfigError(f"{name!r} is not a label scheme. Choose from {', '.join((*schemes, *offered))}")
    return offered[name]


def _check_name(find: Callable[[str], object], name: str) -> str:
    """Return a name that exists. The message of the error names those that exist."""
    try:
        find(name)
    except ConfigError as error:
        raise PydanticCustomError("name", "{reason}", {"reason": str(error)}) from None
    return name


CorpusName = Annotated[str, AfterValidator(partial(_check_name, find_dataset))]
"""Name of a corpus, one of `list_datasets()`."""

SchemeName = Annotated[str, AfterValidator(partial(_check_name, find_scheme))]
"""Name of a label scheme; see `find_scheme`."""


class ClipOptions(Section):
    """The keys of the section `clips` that choose apex frames and leave out clips."""

    apex: Literal["annotated", "midpoint", "spotted"] = "annotated"  # source of the apex of all clips
    missing_apex: Literal["midpoint", "spotted"] = "midpoint"  # replaces a missing or impossible annotated apex
    max_frame_gap: int = Field(3, ge=0, le=1000)  # greatest distance of the frame that replaces a missing key frame
    exclude: tuple[Annotated[str, Field(min_length=1)], ...] = Field((), strict=False)  # clip ids, corpus/subject/name

    @property
    def spots(self) -> bool:
        """Whether the stage `clips` replaces a midpoint by a spotted apex. `list_clips` always gives the midpoint."""
        return (self.missing_apex if self.apex == "annotated" else self.apex) == "spotted"


class _NamedCorpora(Section):
    """The other keys of the section `clips`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=100)  # results are written to results/<name>/
    root: str  # folder that contains one folder per corpus; dvc.yaml names it too
    corpora: tuple[CorpusName, ...] = Field(min_length=1, strict=False)
    scheme: SchemeName


class ClipsConfig(ClipOptions, _NamedCorpora):  # the keys of the second class come first
    """Section `clips` of params.yaml: the corpora of a data set, its labels, and its apex frames."""


@dataclass(frozen=True)
class Listing:
    """Clips of a data set.

    Attributes:
        clips: clips, sorted by id.
        dropped: how often each emotion, or other reason, left out a clip. An excluded clip has `excluded <id>`.
    """

    clips: tuple[Clip, ...]
    dropped: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class PlacedRelease:
    """A corpus and the place of its release.

    Attributes:
        dataset: the corpus.
        root: folder from which the paths of frames start.
        folder: folder of the release below `root`.
    """

    dataset: Dataset
    root: Path
    folder: str


def list_clips(config: ClipsConfig) -> Listing:
    """List the clips of a data set. Frames are found by name; only videos are decoded, to count their frames.

    Args:
        config: section `clips` of params.yaml.

    Returns:
        The clips, and the reasons for which clips were left out.

    Raises:
        ConfigError: the package that offers a corpus or the scheme is broken.
        DatasetError: see `list_clips_of`.
    """
    datasets = [find_dataset(name) for name in config.corpora]
    releases = [PlacedRelease(dataset=dataset, root=Path(config.root), folder=dataset.folder) for dataset in datasets]
    return list_clips_of(
        releases,
        find_scheme(config.scheme),
        ignore_apex=config.apex != "annotated",
        max_frame_gap=config.max_frame_gap,
        exclude=config.exclude,
    )


def list_clips_of(
    releases: Sequence[PlacedRelease],
    scheme: Scheme,
    *,
    ignore_apex: bool = False,
    max_frame_gap: int = 3,
    exclude: Sequence[str] = (),
) -> Listing:
    """List the clips of some releases.

    Args:
        releases: the releases. All have the same `root`.
        scheme: label scheme.
        ignore_apex: whether to replace all annotated apexes by midpoints.
        max_frame_gap: greatest distance, in frames, of the frame that replaces a missing key frame.
        exclude: ids of clips to leave out.

    Returns:
        The clips, and the reasons for which clips were left out.

    Raises:
        DatasetError: a release is missing or has a faulty row, `exclude` names an unknown clip, two clips have the same
            id, or the scheme keeps no clip. The modules of the corpora raise it too.
    """
    root = releases[0].root
    items = [
        item for release in releases for item in _read_release(release, scheme, ignore_apex, max_frame_gap, exclude)
    ]
    dropped = Counter(item for item in items if isinstance(item, str))
    unknown = [name for name in exclude if _EXCLUDED + name not in dropped]
    if unknown:
        hint = suggest(unknown[0], [item.id for item in items if isinstance(item, Clip)])
        raise DatasetError(f"{root}: clips.exclude names {unknown[0]}, which is not there. Correct its id{hint}")
    clips = sorted((item for item in items if isinstance(item, Clip)), key=lambda clip: clip.id)
    repeated = [name for name, times in Counter(clip.id for clip in clips).items() if times > 1]
    if repeated:
        raise DatasetError(
            f"{root}: clip {repeated[0]} is annotated twice. Correct the sheet, or clips.corpora if two of them "
            "are releases of one corpus"
        )
    if not items:
        folders = ", ".join(release.folder for release in releases)
        raise DatasetError(f"{root}: no annotated clip in {folders}. Copy the releases again, or correct clips.corpora")
    if not clips:
        raise DatasetError(f"{root}: no clip has a class of scheme {scheme.name}. Choose another clips.scheme")
    return Listing(tuple(clips), dropped)


def _read_release(
    placed: PlacedRelease, scheme: Scheme, ignore_apex: bool, max_gap: int, exclude: Sequence[str]
) -> Iterator[Clip | str]:
    """Yield a clip for each row that the scheme keeps, and the reason for each other row."""
    _LOG.debug("reading the annotations and frames in %s", placed.folder)
    release = placed.dataset.open_release(placed.root / placed.folder)
    for row in release.rows:
        if row.id in exclude:
            yield _EXCLUDED + row.id
        elif isinstance(row, FaultyRow):
            raise DatasetError(row.reason)
        elif isinstance(row, SkippedRow):
            yield row.reason
        else:
            annotation = replace(row, apex=None) if ignore_apex else row
            yield _make_clip(annotation, release, scheme, max_gap, placed.folder)


def _make_clip(annotation: Annotation, release: Release, scheme: Scheme, max_gap: int, folder: str) -> Clip | str:
    """Return the clip of a row, or the reason for which the scheme leaves it out."""
    row, label = classify(annotation, scheme)
    if label is None:
        return f"{row.emotion} ({'; '.join(row.notes)})" if row.notes else row.emotion
    clip = release.make_clip(row, label, max_gap)
    return replace(clip, frames=f"{folder}/{clip.frames}")
