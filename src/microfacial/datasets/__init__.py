"""Read corpora from disk as clips, label them, and draw synthetic releases of them.

This package holds everything that depends on the layout of a corpus, on its annotations, or on the format of its
frames. It does not locate faces and does not compute flow. Each corpus has one module; `DATASETS` lists them.

Axes: N frames · H, W height and width of a frame in pixels.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from microfacial.datasets import casme2, casme3, flow_maps, mmew, samm, smic, smic_e
from microfacial.datasets.annotations import Annotation, FaultyRow, Release, SkippedRow
from microfacial.datasets.clips import classify
from microfacial.datasets.label_schemes import SCHEMES, Scheme
from microfacial.errors import DatasetError, suggest
from microfacial.records import Clip
from microfacial.settings import Section

_LOG = logging.getLogger(__name__)

_EXCLUDED = "excluded "  # prefix of a clip's id in `Listing.dropped`

CorpusName = Literal[
    "casme2",
    "casme3",
    "demo",
    "flow_maps",
    "mmew",
    "samm",
    "smic_e_hs",
    "smic_e_nir",
    "smic_e_vis",
    "smic_hs",
    "smic_nir",
    "smic_vis",
]

SchemeName = Literal[
    "casme2-4",
    "casme2-5",
    "casme3-3",
    "casme3-4",
    "casme3-7",
    "megc2019-3",
    "mmew-4",
    "samm-5",
]


@dataclass(frozen=True)
class Dataset:
    """One corpus.

    Attributes:
        folder: folder of the release below `clips.root`.
        open_release: reads the release in a folder.
    """

    folder: str
    open_release: Callable[[Path], Release]


DATASETS: Mapping[CorpusName, Dataset] = MappingProxyType(
    {
        "casme2": Dataset("casme2", casme2.open_casme2),
        "casme3": Dataset("casme3", casme3.open_casme3),
        "demo": Dataset("demo", casme2.open_casme2),
        "flow_maps": Dataset("flow_maps", flow_maps.open_flow_maps),
        "mmew": Dataset("mmew", mmew.open_mmew),
        "samm": Dataset("samm", samm.open_samm),
        "smic_e_hs": Dataset("smic", partial(smic_e.open_smic_e, camera="HS")),
        "smic_e_nir": Dataset("smic", partial(smic_e.open_smic_e, camera="NIR")),
        "smic_e_vis": Dataset("smic", partial(smic_e.open_smic_e, camera="VIS")),
        "smic_hs": Dataset("smic", partial(smic.open_smic, camera="HS")),
        "smic_nir": Dataset("smic", partial(smic.open_smic, camera="NIR")),
        "smic_vis": Dataset("smic", partial(smic.open_smic, camera="VIS")),
    }
)


class ClipsConfig(Section):
    """Section `clips` of params.yaml: the corpora of a data set, its labels, and its apex frames."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")  # results are written to results/<name>/
    root: str  # folder that contains one folder per corpus; dvc.yaml names it too
    corpora: tuple[CorpusName, ...] = Field(min_length=1, strict=False)
    scheme: SchemeName
    apex: Literal["annotated", "midpoint", "spotted"] = "annotated"  # source of the apex of all clips
    missing_apex: Literal["midpoint", "spotted"] = "midpoint"  # replaces a missing or impossible annotated apex
    max_frame_gap: int = Field(3, ge=0, le=1000)  # greatest distance of the frame that replaces a missing key frame
    exclude: tuple[str, ...] = Field((), strict=False)  # clip ids, corpus/subject/name

    @property
    def spots(self) -> bool:
        """Whether the stage `clips` replaces a midpoint by a spotted apex. `list_clips` always gives the midpoint."""
        return (self.missing_apex if self.apex == "annotated" else self.apex) == "spotted"


@dataclass(frozen=True)
class Listing:
    """Clips of a data set.

    Attributes:
        clips: clips, sorted by id.
        dropped: how often each emotion, or other reason, left out a clip. An excluded clip has `excluded <id>`.
    """

    clips: tuple[Clip, ...]
    dropped: Mapping[str, int]


def list_clips(config: ClipsConfig) -> Listing:
    """List the clips of a data set. Frames are found by name; only videos are decoded, to count their frames.

    Args:
        config: section `clips` of params.yaml.

    Returns:
        The clips, and the reasons for which clips were left out.

    Raises:
        DatasetError: a release is missing or has a faulty row, `clips.exclude` names an unknown clip, two clips have
            the same id, or the scheme keeps no clip. The modules of the corpora raise it too.
    """
    items = [item for name in config.corpora for item in _read_corpus(name, config)]
    dropped = Counter(item for item in items if isinstance(item, str))
    unknown = [name for name in config.exclude if _EXCLUDED + name not in dropped]
    if unknown:
        hint = suggest(unknown[0], [item.id for item in items if isinstance(item, Clip)])
        raise DatasetError(f"{config.root}: clips.exclude names {unknown[0]}, which is not there. Correct its id{hint}")
    clips = sorted((item for item in items if isinstance(item, Clip)), key=lambda clip: clip.id)
    repeated = [name for name, times in Counter(clip.id for clip in clips).items() if times > 1]
    if repeated:
        raise DatasetError(
            f"{config.root}: clip {repeated[0]} is annotated twice. Correct the sheet, or clips.corpora if two of them "
            "are releases of one corpus"
        )
    if not clips:
        raise DatasetError(f"{config.root}: no clip has a class of scheme {config.scheme}. Choose another clips.scheme")
    return Listing(tuple(clips), dropped)


def _read_corpus(name: CorpusName, config: ClipsConfig) -> Iterator[Clip | str]:
    """Yield a clip for each row that the scheme keeps, and the reason for each other row."""
    dataset, scheme = DATASETS[name], SCHEMES[config.scheme]
    _LOG.debug("reading the annotations and frames of %s", name)
    release = dataset.open_release(Path(config.root) / dataset.folder)
    for row in release.rows:
        if row.id in config.exclude:
            yield _EXCLUDED + row.id
        elif isinstance(row, FaultyRow):
            raise DatasetError(row.reason)
        elif isinstance(row, SkippedRow):
            yield row.reason
        else:
            annotation = row if config.apex == "annotated" else replace(row, apex=None)
            yield _make_clip(annotation, release, scheme, config.max_frame_gap, dataset.folder)


def _make_clip(annotation: Annotation, release: Release, scheme: Scheme, max_gap: int, folder: str) -> Clip | str:
    """Return the clip of a row, or the reason for which the scheme leaves it out."""
    row, label = classify(annotation, scheme)
    if label is None:
        return f"{row.emotion} ({'; '.join(row.notes)})" if row.notes else row.emotion
    clip = release.make_clip(row, label, max_gap)
    return replace(clip, frames=f"{folder}/{clip.frames}")
