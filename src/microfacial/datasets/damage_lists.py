"""Lists of damaged frames that owners of corpora publish: text files in the folder `exception/` of a release.

Each line is the path of a frame, of a folder of frames, or of a clip. The path may start above or below the folder of
the release. Blank lines are ignored.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from microfacial.datasets.folders import list_folder, translate_os_errors
from microfacial.datasets.validation import CheckedRow, Remark
from microfacial.records import FRAME_NUMBER, Clip

_FOLDER = "exception"
_MAX_BYTES = 50_000_000

Parts = tuple[str, ...]


@dataclass(frozen=True)
class ListedPath:
    """One line of a list.

    Attributes:
        parts: parts of the path, in lower case.
        where: file and line, for messages.
    """

    parts: Parts
    where: str


def read_damage_lists(folder: Path) -> tuple[tuple[ListedPath, ...], tuple[str, ...]]:
    """Read all lists of damaged frames of a release.

    Args:
        folder: folder of the release.

    Returns:
        The lines of all lists, and a text for each file that is no list. Both are empty if there are no lists.

    Raises:
        DatasetError: a list cannot be read.
    """
    lines: list[ListedPath] = []
    unread: list[str] = []
    for folder_of_lists in list_folder(folder):
        if folder_of_lists.name.lower() != _FOLDER or not folder_of_lists.is_dir():
            continue
        for path in sorted(path for path in folder_of_lists.rglob("*") if path.is_file()):
            name = path.relative_to(folder).as_posix()
            with translate_os_errors(path):
                content = path.read_bytes() if path.stat().st_size <= _MAX_BYTES else b"\0"
            if b"\0" in content:
                unread.append(f"{name} is not a text file of at most {_MAX_BYTES // 10**6} MB, so it was not read")
                continue
            for number, line in enumerate(content.decode("utf-8-sig", errors="replace").splitlines(), 1):
                if parts := _split(line):
                    lines.append(ListedPath(parts, f"{name}, line {number}"))
    return tuple(lines), tuple(unread)


def add_damage(rows: Sequence[CheckedRow], lines: Sequence[ListedPath]) -> tuple[list[CheckedRow], list[str]]:
    """Add a remark to each row whose clip or frames are listed as damaged.

    Args:
        rows: checked rows of the release.
        lines: lines of its lists.

    Returns:
        The rows, and a text for each line that matches no clip or several clips.
    """
    index = _index(rows)
    clips: dict[int, list[str]] = {}
    frames: dict[int, Counter[str]] = {}
    unmatched: list[str] = []
    for line in lines:
        of_clip, of_frame = _match(line.parts, rows, index)
        if len(of_clip) + len(of_frame) != 1:
            count = f"{len(of_clip) + len(of_frame)} clips. Give a longer path" if of_clip or of_frame else "no clip"
            unmatched.append(f"{line.where}: '{'/'.join(line.parts)}' matches {count}")
            continue
        file = line.where.rpartition(", line ")[0]
        for row in of_clip:
            clips.setdefault(row, []).append(file)
        for row in of_frame:
            frames.setdefault(row, Counter())[file] += 1
    return [_add(row, clips.get(number, []), frames.get(number, {})) for number, row in enumerate(rows)], unmatched


def _add(row: CheckedRow, whole: Sequence[str], frames: Mapping[str, int]) -> CheckedRow:
    texts = [f"listed as damaged in {file}" for file in dict.fromkeys(whole)]
    texts += [f"{count} of its frames are listed as damaged in {file}" for file, count in frames.items()]
    remarks = tuple(Remark("suspicious", f"{text}. To leave the clip out, add it to clips.exclude") for text in texts)
    return replace(row, remarks=(*row.remarks, *remarks))


def _match(parts: Parts, rows: Sequence[CheckedRow], index: Mapping[str, list[int]]) -> tuple[list[int], list[int]]:
    """Return the numbers of the rows of whose clip, and of one of whose frames, this is the path."""
    of_clip = [row for row in index.get(parts[-1], ()) if any(_agree(parts, path) for path in _paths(rows[row]))]
    of_frame = []
    for row in index.get(parts[-2], ()) if len(parts) > 1 else ():
        clip = rows[row].clip
        if any(_agree(parts[:-1], path) for path in _paths(rows[row])) and (clip is None or _is_frame(parts[-1], clip)):
            of_frame.append(row)
    return of_clip, of_frame


def _is_frame(name: str, clip: Clip) -> bool:
    """Return whether this is the name of a frame from onset to offset, with or without its extension."""
    pattern = PurePosixPath(clip.frames.lower()).name
    prefix, suffix = FRAME_NUMBER.split(pattern)[0], FRAME_NUMBER.split(pattern)[-1]
    match = re.fullmatch(rf"{re.escape(prefix)}(\d+)({re.escape(suffix)})?", name)
    return match is not None and clip.onset <= int(match[1]) <= clip.offset


def _agree(first: Parts, second: Parts) -> bool:
    """Return whether one path is the end of the other."""
    length = min(len(first), len(second))
    return first[-length:] == second[-length:]


def _paths(row: CheckedRow) -> Iterator[Parts]:
    """Yield the paths of a row: its subject and name, and its folder of frames or its video."""
    identity = _split(row.name.partition(" (")[0])
    yield identity[1:]
    if row.clip is not None:
        path = PurePosixPath(row.clip.frames.lower())
        yield (path.parent if FRAME_NUMBER.search(path.name) else path).parts


def _index(rows: Sequence[CheckedRow]) -> dict[str, list[int]]:
    """Return the numbers of the rows by the last part of each of their paths."""
    index: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        for name in {path[-1] for path in _paths(row) if path}:
            index.setdefault(name, []).append(number)
    return index


def _split(line: str) -> Parts:
    """Return the parts of a path in lower case. Both kinds of slashes separate parts."""
    return tuple(part for part in re.split(r"[/\\]+", line.strip().lower()) if part not in ("", "."))
