"""Find the films that a user names: files, folders of frames, folders of films, and patterns such as `films/*.mp4`."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from microfacial.datasets.folders import FRAME_EXTENSIONS, list_folder, translate_os_errors
from microfacial.datasets.video import VIDEO_EXTENSIONS
from microfacial.errors import DatasetError

_LEAST_PICTURES = 3  # of frames beside other films; fewer are taken for covers and notes


def find_films(names: Iterable[str]) -> list[Path]:
    """Return the films that names stand for.

    Args:
        names: for each of them a file, a folder of frames, a folder of films, or a pattern with `*`, `?` or `[…]`. A
            file with these characters in its name is not a pattern.

    Returns:
        Paths of videos, pictures and folders of frames, each once, also if links lead to it. A name that stands for
        nothing is returned as it is, so that reading it gives the reason.

    Raises:
        DatasetError: a name is empty, or a folder cannot be read.
    """
    films: dict[str, Path] = {}
    for film in (film for name in names for film in _find(name)):
        films.setdefault(os.path.realpath(film), film)
    return list(films.values())


def _find(name: str) -> Iterator[Path]:
    if not name:
        raise DatasetError("the name of a film is empty. Give a file, a folder or a pattern; `.` is the current folder")
    path = Path(name)
    with translate_os_errors(path):
        exists = path.exists()
        matches = [] if exists else [Path(match) for match in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207
    for match in matches or [path]:
        yield from _films_in(match, frozenset()) or [match]


def _films_in(path: Path, parents: frozenset[Path]) -> list[Path]:
    """Return the films in a folder: its videos, the folder itself if it has frames, and the films in subfolders.

    A subfolder that cannot be read is returned itself, so that reading it gives the reason. `parents` are the folders
    on the way to it, because a link can lead back to one of them.
    """
    if not path.is_dir():
        return [path]
    way = parents | {path.resolve()}
    entries = [entry for entry in sorted(list_folder(path)) if not entry.name.startswith(".")]
    videos = [entry for entry in entries if entry.suffix.lower() in VIDEO_EXTENSIONS and not entry.is_dir()]
    folders = [entry for entry in entries if entry.is_dir() and entry.resolve() not in way]
    unreadable = [folder for folder in folders if not os.access(folder, os.R_OK | os.X_OK)]
    readable = (folder for folder in folders if folder not in unreadable)
    others = [*videos, *unreadable, *(film for folder in readable for film in _films_in(folder, way))]
    thumbnails = {video.stem for video in videos}  # pictures of videos have their names
    pictures = [
        entry
        for entry in entries
        if entry.suffix.lower() in FRAME_EXTENSIONS and entry.stem not in thumbnails and entry.is_file()
    ]
    is_film = len(pictures) >= (_LEAST_PICTURES if others else 1)
    return sorted([*others, path] if is_film else others)
