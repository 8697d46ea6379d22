"""SMIC, the short release: one folder of frames a clip, and no table.

Layout: `HS/s<k>/micro/<negative|positive|surprise>/s1_ne_01/image<N>.bmp`, or the crops
`SMIC_all_cropped/HS/s<k>/micro/…/reg_image<N>.bmp`, which are taken where they are there; likewise `VIS` and `NIR`,
other cameras of the same people. N is a counter of the camera, zero-padded to six digits and longer where it has grown
longer. The folder is the label, the first and last frames are onset and offset, and there is no apex: the midpoint
stands for it. `non_micro` clips beside `micro` are not read. Subject `s1` becomes `s01`, as MEGC2019 has it.

Source: Li et al., SMIC, FG 2013, doi:10.1109/FG.2013.6553717.
"""

import re
from pathlib import Path
from typing import Literal

from microfacial.datasets.annotations import Annotation, Fault, Release, clip_id, name_corpus
from microfacial.datasets.clips import release
from microfacial.datasets.frames import find_frames, find_pattern, list_folder
from microfacial.datasets.label_schemes import spell
from microfacial.errors import AbsentError, DatasetError

Camera = Literal["HS", "VIS", "NIR"]

_FPS = {"HS": 100.0, "VIS": 25.0, "NIR": 25.0}
_CROPPED = "SMIC_all_cropped"
_VARIANTS = (_CROPPED, "")
_ENDINGS = (".bmp", ".jpg", ".png")
_ABSENT = "image{:06d}.bmp"


def open_smic(folder: Path, *, camera: Camera = "HS") -> Release:
    """Each clip folder of a camera's micro-expressions as a row.

    Raises:
        AbsentError: there are no clips.
        DatasetError: a folder above the clips may not be read.
    """
    tops = [folder / variant / camera for variant in _VARIANTS]
    top = next((one for one in tops if _find_places(one)), tops[-1])
    places = _find_places(top)
    if not places:
        raise AbsentError(
            f"SMIC: no s<k>/micro/<emotion>/<clip> in {top}. Put the release there or correct clips in params.yaml"
        )
    corpus, cropped = name_corpus(folder, "smic"), top.parent.name == _CROPPED

    def locate(row: Annotation) -> str:
        place = Path(row.where)  # ids may repeat
        return f"{place.relative_to(folder).as_posix()}/{_pattern(place)}"

    return release(tuple(_read_place(place, corpus, camera, cropped) for place in places), folder, locate)


def _find_places(top: Path) -> list[Path]:
    emotions = (emotion for subject in list_folder(top) for emotion in list_folder(subject / "micro"))
    return sorted(place for emotion in emotions for place in list_folder(emotion) if place.is_dir())


def _read_place(place: Path, corpus: str, camera: Camera, cropped: bool) -> Annotation | Fault:
    known = ""
    try:
        subject = read_subject(place.parents[2].name, str(place))
        known = clip_id(corpus, subject, place.name)
        return _read_clip(place, corpus, subject, camera, cropped)
    except DatasetError as error:
        return Fault(id=known, reason=str(error))


def _read_clip(place: Path, corpus: str, subject: str, camera: Camera, cropped: bool) -> Annotation:
    numbers = find_frames(place, _pattern(place))
    if not numbers:
        name = clip_id(corpus, subject, place.name)
        raise DatasetError(f"{place} has no frame. Copy the clip again or list {name} under clips.exclude")
    return Annotation(
        corpus=corpus,
        vocabulary="smic",
        subject=subject,
        name=place.name,
        emotion=spell(place.parent.name),
        action_units="",
        onset=numbers[0],
        apex=None,
        offset=numbers[-1],
        fps=_FPS[camera],
        cropped=cropped,
        where=str(place),
    )


def read_subject(text: str, where: str) -> str:
    """A subject as MEGC2019 names it, `s01` for `s1`, `s01` or `1`.

    Raises:
        DatasetError: the text is no subject of SMIC.
    """
    match = re.fullmatch(r"s?0*(\d+)", text)
    if match is None:
        raise DatasetError(f"{where}: {text!r} is no subject of SMIC (s1). Correct its name")
    return f"s{match[1]:0>2}"


def _pattern(place: Path) -> str:
    return find_pattern(place, _ENDINGS, absent=_ABSENT)
