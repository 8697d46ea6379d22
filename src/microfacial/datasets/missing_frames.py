"""Errors about frames that are not on disk. Each says what is there instead, and names a remedy for its cause."""

import re
from pathlib import Path

from microfacial.datasets.folders import list_folder, translate_os_errors
from microfacial.errors import DatasetError
from microfacial.records import FRAME_NUMBER

_NAMES_SHOWN = 5
_EXCLUDE = "or list the clip under clips.exclude"


class MissingFolderError(DatasetError):
    """A folder of frames, or a folder above it, does not exist. Several clips can lie in it.

    Attributes:
        cause: the missing folder, what is there instead, and a remedy, without the name of the clip.
    """

    def __init__(self, clip: str, cause: str) -> None:
        super().__init__(f"{clip}: annotated, but {cause}, {_EXCLUDE}")
        self.cause = cause


def require_frame(path: Path) -> Path:
    """Return the path of a frame unchanged if the file exists.

    Args:
        path: file of the frame, or of a video.

    Raises:
        DatasetError: the file does not exist or its folder cannot be read.
    """
    with translate_os_errors(path):
        if path.is_file():
            return path
        digits = re.findall("[0-9]+", path.stem)
        if not path.parent.is_dir():
            remedy = f"There is no folder {path.parent}. Copy it from the release, correct its name,"
        elif digits and (renamed := _find_number(path.parent, int(digits[-1]))):
            remedy = f"Rename {renamed}, which has the same number,"
        else:
            remedy = "Copy it again from the release"
    raise DatasetError(f"no file {path}. {remedy} {_EXCLUDE}")


def no_frames(clip: str, root: Path, place: Path, pattern: str) -> DatasetError:
    """Return the error for a clip without frames.

    Args:
        clip: id of the clip.
        root: folder of the release. It exists.
        place: folder of the clip's frames.
        pattern: name of a frame with `{}` or `{:05d}` at its number.
    """
    if not place.is_dir():
        missing = place
        while missing.parent != root and root in missing.parents and not missing.parent.is_dir():
            missing = missing.parent
        there = f"{missing.parent} has {_list_names(missing.parent)}"
        return MissingFolderError(
            clip,
            f"there is no folder {missing} for frames {_show(pattern)} ({there}). Copy it from the release, correct "
            "its name",
        )
    names = _list_names(place)
    remedy = "Copy the clip again" if names == "nothing" else "Rename its frames as in the release"
    return DatasetError(
        f"{clip}: annotated, but {place} has no frame {_show(pattern)} (it has {names}). {remedy}, {_EXCLUDE}"
    )


def no_frame_near(moment: str, wanted: int, nearest: int, numbers: tuple[int, ...], place: Path) -> DatasetError:
    """Return the error for a key frame that is missing together with all frames near it.

    Args:
        moment: id of the clip and name of the moment.
        wanted: number of the key frame.
        nearest: number of the nearest frame.
        numbers: numbers of all frames of the clip.
        place: folder of the frames.
    """
    renamed = _find_number(place, wanted)
    remedy = f"Rename {renamed} like the other frames" if renamed else "Copy the clip again from the release"
    return DatasetError(
        f"{moment}: no frame {wanted} in {place} (found {numbers[0]}–{numbers[-1]}, nearest {nearest}). "
        f"{remedy}, correct the annotation, {_EXCLUDE}"
    )


def _find_number(folder: Path, number: int) -> str | None:
    """Return the first file in a folder whose name has a number, however it is padded. Return None without one."""
    name = re.compile(rf"(?:.*[^0-9])?0*{number}(?:[^0-9].*)?")
    return min((path.name for path in list_folder(folder) if name.fullmatch(path.name)), default=None)


def _show(pattern: str) -> str:
    return FRAME_NUMBER.sub("<N>", pattern)


def _list_names(folder: Path) -> str:
    """Return the first names in a folder, for a message."""
    names = sorted(path.name for path in list_folder(folder))
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"{', '.join(names[:_NAMES_SHOWN])}{more}" if names else "nothing"
