"""SMIC, the short release: one folder of frames per clip, and no annotation table.

Layout: frames in one of these folders. The first that has clips is read.

    SMIC_all_cropped/HS/s<k>/micro/<negative|positive|surprise>/s1_ne_01/reg_image<N>.bmp
    HS/s<k>/micro/<negative|positive|surprise>/s1_ne_01/image<N>.bmp

`VIS` and `NIR` are other cameras that filmed the same people, and have the same layout. N is a counter of the camera.
It is zero-padded to six digits and can have more. The folder gives the label; the first and the last frame are onset
and offset. There is no apex, so clips have the midpoint. Clips in `non_micro` are not read. Subject `s1` becomes `s01`,
as in MEGC2019. A code of an emotion in the name of a clip, such as `ne`, must agree with its folder.

Source: Li et al., SMIC, FG 2013, doi:10.1109/FG.2013.6553717.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from microfacial.datasets.annotations import Annotation, FaultyRow, Release, clip_id, name_corpus
from microfacial.datasets.cells import require_name, require_own_clip, show_cell
from microfacial.datasets.clips import find_video, frames_folder, make_release
from microfacial.datasets.folders import FRAME_EXTENSIONS, find_frames, find_pattern, list_folder
from microfacial.datasets.label_schemes import normalise_emotion
from microfacial.datasets.video import count_frames
from microfacial.errors import AbsentError, DatasetError

Camera = Literal["HS", "VIS", "NIR"]
CAMERA_FPS: Mapping[Camera, float] = MappingProxyType({"HS": 100.0, "VIS": 25.0, "NIR": 25.0})

_CROPPED = "SMIC_all_cropped"
_VARIANTS = (_CROPPED, "")
_CLIP_NAME = re.compile(r"s\d+_(ne|po|sur)_\d+", re.IGNORECASE)
_EMOTIONS = {"ne": "negative", "po": "positive", "sur": "surprise"}  # by their codes in the names of clips


def open_smic(folder: Path, *, camera: Camera = "HS") -> Release:
    """Read the short release of SMIC. Each clip folder of a camera becomes a row.

    Args:
        folder: folder of the release.
        camera: HS (high speed), VIS (visible light) or NIR (near infrared).

    Raises:
        AbsentError: there are no clips.
        DatasetError: a folder above the clips cannot be read.
    """
    camera_folders = [folder / variant / camera for variant in _VARIANTS]
    camera_folder = next((path for path in camera_folders if _find_clips(path)), camera_folders[-1])
    places = _find_clips(camera_folder)
    if not places:
        raise AbsentError(
            f"SMIC: no s<k>/micro/<emotion>/<clip> in {camera_folder}. Put the release there or correct clips in "
            "params.yaml"
        )
    corpus, cropped = name_corpus(folder, "smic"), camera_folder.parent.name == _CROPPED

    def locate(row: Annotation) -> str:
        place = Path(row.where)  # not made from the row's id, because two clips can have the same id
        return f"{place.relative_to(folder).as_posix()}/{_find_frame_pattern(place)}"

    return make_release(tuple(_read_row(place, corpus, camera, cropped) for place in places), folder, locate)


def _find_clips(camera_folder: Path) -> list[Path]:
    """Return the folders of a camera's clips, sorted. A video with the name of a clip stands for its folder."""
    emotions = (emotion for subject in list_folder(camera_folder) for emotion in list_folder(subject / "micro"))
    paths = (path for emotion in emotions for path in list_folder(emotion))
    clips = (path for path in paths if path.is_dir() or _CLIP_NAME.fullmatch(path.stem))
    return sorted({place for path in clips if (place := frames_folder(path)) is not None})


def _read_row(place: Path, corpus: str, camera: Camera, cropped: bool) -> Annotation | FaultyRow:
    """Return the annotation of a clip folder, or a faulty row if it cannot be read."""
    row_id = ""
    try:
        subject = read_subject(place.parents[2].name, str(place), place.name)
        require_name(place.name, "the name of the folder", str(place.parent))
        row_id = clip_id(corpus, subject, place.name)
        return _annotate_folder(place, corpus, subject, camera, cropped)
    except DatasetError as error:
        return FaultyRow(id=row_id, reason=str(error))


def _annotate_folder(place: Path, corpus: str, subject: str, camera: Camera, cropped: bool) -> Annotation:
    emotion, code = normalise_emotion(place.parent.name), re.search("_(ne|po|sur)_", place.name.lower())
    if code is not None and emotion in _EMOTIONS.values() and emotion != _EMOTIONS[code[1]]:
        raise DatasetError(f"{place}: the name says {_EMOTIONS[code[1]]}, the folder {emotion}. Correct one of them")
    video = find_video(place)
    numbers = find_frames(place, _find_frame_pattern(place)) if video is None else (1, count_frames(video))
    if not numbers:
        name = clip_id(corpus, subject, place.name)
        raise DatasetError(f"{place} has no frame. Copy the clip again or list {name} under clips.exclude")
    return Annotation(
        corpus=corpus,
        vocabulary="smic",
        subject=subject,
        name=place.name,
        emotion=emotion,
        action_units="",
        onset=numbers[0],
        apex=None,
        offset=numbers[-1],
        fps=CAMERA_FPS[camera],
        cropped=cropped,
        where=str(place),
    )


def read_subject(text: str, where: str, name: str) -> str:
    """Return a subject in the form of MEGC2019: `s01` for `s1`, `s01` or `1`.

    Args:
        text: subject as the release writes it.
        where: place of the row, for the message.
        name: name of the clip, such as `s1_ne_01`.

    Raises:
        DatasetError: the text is not a subject of SMIC, or the clip belongs to another subject.
    """
    match = re.fullmatch(r"s?0*([0-9]{1,4})", text)
    if match is None:
        raise DatasetError(f"{where}: {show_cell(text)} is not a subject of SMIC, such as s1. Correct its name")
    owner = re.match("s([0-9]+)_", name)
    if owner is not None:
        require_own_clip(text, name, owner[1], where)
    return f"s{match[1]:0>2}"


def _find_frame_pattern(place: Path) -> str:
    return find_pattern(place, FRAME_EXTENSIONS, default="image{:06d}.bmp")
