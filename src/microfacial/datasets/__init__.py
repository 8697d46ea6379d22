"""Corpora as they lie on disk → Clips. One file per corpus; `DATASETS` names them all."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from microfacial.datasets import casme2, casme3, flow_maps, mmew, samm, smic, smic_e
from microfacial.datasets.annotations import Annotation, Fault, LeftOut, Release
from microfacial.datasets.clips import classify
from microfacial.datasets.label_schemes import SCHEMES, Scheme
from microfacial.errors import DatasetError
from microfacial.records import Clip
from microfacial.settings import Section

EXCLUDED = "excluded "  # before the id of a clip that clips.exclude leaves out

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


@dataclass(frozen=True)
class Dataset:
    """One corpus: the folder below `clips.root` that its release lies in, and what opens it."""

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
    """The `clips` section of params.yaml: which data set, of which corpora, labelled how."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")  # results stand under results/<name>/
    root: str  # dvc.yaml names it too; every corpus lies in its own folder below
    corpora: tuple[CorpusName, ...] = Field(min_length=1, strict=False)
    scheme: Literal["casme2-4", "casme2-5", "casme3-3", "casme3-4", "casme3-7", "megc2019-3", "mmew-4", "samm-5"]
    apex: Literal["annotated", "midpoint", "spotted"] = "annotated"  # which apex every clip has
    missing_apex: Literal["midpoint", "spotted"] = "midpoint"  # what stands for an annotated apex that is not there
    max_frame_gap: int = Field(3, ge=0)  # frames; a missing key frame is taken from at most this far
    exclude: tuple[str, ...] = Field((), strict=False)  # clip ids, corpus/subject/name

    @property
    def spots(self) -> bool:
        """Whether a spotted apex takes the place of the midpoint, which clips have until frames have been looked at."""
        return (self.missing_apex if self.apex == "annotated" else self.apex) == "spotted"


@dataclass(frozen=True)
class Listing:
    """The clips of a data set in a fixed order, and what was left out, with how often: emotions, excluded ids."""

    clips: tuple[Clip, ...]
    dropped: Mapping[str, int]


def list_clips(config: ClipsConfig) -> Listing:
    """Read the corpora of a data set.

    Raises:
        DatasetError: what is on disk cannot be used as it is; see the corpora's modules.
    """
    found = [item for name in config.corpora for item in _read(name, config)]
    dropped = Counter(item for item in found if isinstance(item, str))
    strangers = [name for name in config.exclude if EXCLUDED + name not in dropped]
    if strangers:
        raise DatasetError(f"{config.root}: clips.exclude names {strangers[0]}, which is not there. Correct its id")
    clips = sorted((item for item in found if isinstance(item, Clip)), key=lambda clip: clip.id)
    repeated = [name for name, times in Counter(clip.id for clip in clips).items() if times > 1]
    if repeated:
        raise DatasetError(
            f"{config.root}: clip {repeated[0]} is annotated twice. Correct the sheet, or clips.corpora if two of them "
            "are releases of one corpus"
        )
    if not clips:
        raise DatasetError(f"{config.root}: no clip has a class of scheme {config.scheme}. Choose another clips.scheme")
    return Listing(tuple(clips), dropped)


def _read(name: CorpusName, config: ClipsConfig) -> Iterator[Clip | str]:
    """A clip for each row of a corpus that the scheme keeps, or what to call a row that is left out."""
    dataset, scheme = DATASETS[name], SCHEMES[config.scheme]
    release = dataset.open_release(Path(config.root) / dataset.folder)
    for row in release.rows:
        if row.id in config.exclude:
            yield EXCLUDED + row.id
        elif isinstance(row, Fault):
            raise DatasetError(row.reason)
        elif isinstance(row, LeftOut):
            yield row.reason
        else:
            annotated = row if config.apex == "annotated" else replace(row, apex=None)
            yield _make_clip(annotated, release, scheme, config.max_frame_gap, dataset.folder)


def _make_clip(annotated: Annotation, release: Release, scheme: Scheme, max_gap: int, folder: str) -> Clip | str:
    row, label = classify(annotated, scheme)
    if label is None:
        return f"{row.emotion} ({'; '.join(row.notes)})" if row.notes else row.emotion
    clip = release.make_clip(row, label, max_gap)
    return replace(clip, frames=f"{folder}/{clip.frames}")
