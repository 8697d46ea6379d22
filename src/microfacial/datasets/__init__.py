"""Corpora as they lie on disk → Clips. One file per corpus; `DATASETS` names them all."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from microfacial.datasets import casme2, casme3, flow_maps, mmew, samm, smic
from microfacial.datasets.annotations import EXCLUDED
from microfacial.datasets.schemes import SCHEMES, Scheme
from microfacial.errors import DatasetError
from microfacial.records import Clip
from microfacial.settings import Section

Reader = Callable[[Path, Scheme, frozenset[str], int], Iterator[Clip | str]]

DATASETS: Mapping[str, Reader] = MappingProxyType(
    {
        "casme2": casme2.read,
        "casme3": casme3.read,
        "flow_maps": flow_maps.read,
        "mmew": mmew.read,
        "samm": samm.read,
        "smic_hs": partial(smic.read, camera="HS"),
        "smic_nir": partial(smic.read, camera="NIR"),
        "smic_vis": partial(smic.read, camera="VIS"),
    }
)


class ClipsConfig(Section):
    """The `clips` section of params.yaml: which data set, read how, labelled how."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")  # results stand under build/<name>/
    reader: Literal["casme2", "casme3", "flow_maps", "mmew", "samm", "smic_hs", "smic_nir", "smic_vis"]
    root: str
    scheme: Literal["casme2-4", "casme2-5", "casme3-3", "casme3-4", "casme3-7", "megc2019-3", "mmew-4", "samm-5"]
    max_frame_gap: int = Field(3, ge=0)  # frames; a missing key frame is taken from at most this far
    exclude: tuple[str, ...] = Field((), strict=False)  # clip ids, corpus/subject/name


@dataclass(frozen=True)
class Listing:
    """The clips of a data set in a fixed order, and what was left out, with how often: emotions, excluded ids."""

    clips: tuple[Clip, ...]
    dropped: Mapping[str, int]


def list_clips(config: ClipsConfig) -> Listing:
    """Read a corpus.

    Raises:
        DatasetError: what is on disk cannot be used as it is; see the reader.
    """
    scheme = SCHEMES[config.scheme]
    found = list(DATASETS[config.reader](Path(config.root), scheme, frozenset(config.exclude), config.max_frame_gap))
    dropped = Counter(item for item in found if isinstance(item, str))
    strangers = [name for name in config.exclude if EXCLUDED + name not in dropped]
    if strangers:
        raise DatasetError(f"{config.root}: clips.exclude names {strangers[0]}, which is not there. Correct its id")
    clips = sorted((item for item in found if isinstance(item, Clip)), key=lambda clip: clip.id)
    repeated = [name for name, times in Counter(clip.id for clip in clips).items() if times > 1]
    if repeated:
        raise DatasetError(f"{config.root}: clip {repeated[0]} is annotated twice. Correct the sheet")
    if not clips:
        raise DatasetError(f"{config.root}: no clip has a class of scheme {config.scheme}. Choose another clips.scheme")
    return Listing(tuple(clips), dropped)
