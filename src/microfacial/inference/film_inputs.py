"""Find the films that a user names: files, folders of frames, folders of films, and patterns such as `films/*.mp4`."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from microfacial.datasets.folders import FRAME_EXTENSIONS, list_folder, translate_os_errors
from microfacial.datasets.video import VIDEO_EXTENSIONS


def find_films(names: Iterable[str]) -> list[Path]:
    """Return the films that names stand for.

    Args:
        names: for each of them a file, a folder of frames, a folder of films, or a pattern with `*`, `?` or `[…]`. A
            file with these characters in its name is not a pattern.

    Returns:
        Paths of videos, pictures and folders of frames, each once. A name that stands for nothing is returned as it
        is, so that reading it gives the reason.

    Raises:
        DatasetError: a folder cannot be read.
    """
    return list(dict.fromkeys(film for name in names for film in _find(name)))


def _find(name: str) -> Iterator[Path]:
    path = Path(name)
    with translate_os_errors(path):
        exists = path.exists()
        matches = [] if exists else [Path(match) for match in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207
    for match in matches or [path]:
        yield from _films_in(match) or [match]


def _films_in(path: Path) -> list[Path]:
    """Return the films in a folder: the folder itself if it has frames, else its videos and the films in subfolders.

    A subfolder that cannot be read is returned itself, so that reading it gives the reason.
    """
    if not path.is_dir():
        return [path]
    entries = [entry for entry in sorted(list_folder(path)) if not entry.name.startswith(".")]
    videos = [entry for entry in entries if entry.suffix.lower() in VIDEO_EXTENSIONS and not entry.is_dir()]
    if not videos and any(entry.suffix.lower() in FRAME_EXTENSIONS and entry.is_file() for entry in entries):
        return [path]
    folders = [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
    unreadable = [folder for folder in folders if not os.access(folder, os.R_OK | os.X_OK)]
    readable = (folder for folder in folders if folder not in unreadable)
    return sorted([*videos, *unreadable, *(film for folder in readable for film in _films_in(folder))])
