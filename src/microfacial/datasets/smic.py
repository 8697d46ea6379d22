"""SMIC, the short release: one folder of frames a clip, and no table.

Layout: `HS/s<k>/micro/<negative|positive|surprise>/s1_ne_01/image<N>.bmp`, or the crops
`SMIC_all_cropped/HS/s<k>/micro/…/reg_image<N>.bmp`, which are taken where they are there; likewise `VIS` and `NIR`,
other cameras of the same people. N is a counter of the camera, zero-padded to six digits and longer where it has grown
longer. The folder is the label, the first and last frames are onset and offset, and there is no apex: the midpoint
stands for it. `non_micro` clips beside `micro` are not read. Subject `s1` becomes `s01`, as MEGC2019 has it.

Source: Li et al., SMIC, FG 2013, doi:10.1109/FG.2013.6553717.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from microfacial.datasets.annotations import EXCLUDED, Annotation, join
from microfacial.datasets.schemes import Scheme, spell
from microfacial.errors import DatasetError
from microfacial.frames import find_frames, find_pattern
from microfacial.records import Clip

Camera = Literal["HS", "VIS", "NIR"]

FPS = {"HS": 100.0, "VIS": 25.0, "NIR": 25.0}
_VARIANTS = ("SMIC_all_cropped/", "")
_ENDINGS = (".bmp", ".jpg", ".png")
_ABSENT = "image{:06d}.bmp"


def read(
    root: Path, scheme: Scheme, exclude: frozenset[str], max_gap: int, *, camera: Camera = "HS"
) -> Iterator[Clip | str]:
    """Yield a Clip for each folder of a camera's micro-expressions, or the emotion of one that the scheme leaves out.

    Raises:
        DatasetError: there are no clips, a folder is no known emotion or no subject, or a clip has no frames.
    """
    variants = [f"{variant}{camera}" for variant in _VARIANTS]
    top = next((root / variant for variant in variants if (root / variant).is_dir()), root / camera)
    folders = [folder for folder in sorted(top.glob("*/micro/*/*")) if folder.is_dir()]
    if not folders:
        raise DatasetError(
            f"SMIC: no s<k>/micro/<emotion>/<clip> in {top}. Put the release there or correct clips.root in params.yaml"
        )
    places = {_clip_id(folder): folder.relative_to(root).as_posix() for folder in folders}

    def locate(row: Annotation) -> str:
        return f"{places[row.id]}/{_pattern(root / places[row.id])}"

    rows = (_read_folder(folder, camera) for folder in folders if _clip_id(folder) not in exclude)
    yield from (EXCLUDED + clip for clip in places if clip in exclude)
    yield from join(rows, scheme, exclude, max_gap, root, locate)


def _read_folder(folder: Path, camera: Camera) -> Annotation:
    numbers = find_frames(folder, _pattern(folder))
    if not numbers:
        raise DatasetError(f"{folder} has no frame. Copy the clip again or list {_clip_id(folder)} under clips.exclude")
    return Annotation(
        corpus="smic",
        subject=_subject(folder),
        name=folder.name,
        emotion=spell(folder.parent.name),
        action_units="",
        onset=numbers[0],
        apex=None,
        offset=numbers[-1],
        fps=FPS[camera],
    )


def _clip_id(folder: Path) -> str:
    return f"smic/{_subject(folder)}/{folder.name}"


def _subject(folder: Path) -> str:
    text = folder.parents[2].name
    match = re.fullmatch(r"s0*(\d+)", text)
    if match is None:
        raise DatasetError(f"{folder}: {text!r} is no subject of SMIC (s1). Remove the folder")
    return f"s{match[1]:0>2}"


def _pattern(folder: Path) -> str:
    return find_pattern(folder, _ENDINGS, absent=_ABSENT)
