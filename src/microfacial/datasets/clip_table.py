"""Write and read clips.csv, the table of clips that the stage `clips` writes and all later stages read."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast, get_args

from microfacial.datasets.folders import is_inside
from microfacial.datasets.limits import GREATEST_FPS, LEAST_FPS
from microfacial.errors import DamagedError
from microfacial.files import digest, read_csv, refuse_damaged, write_csv
from microfacial.formats import parse_decimal, parse_whole, refuse_repeated
from microfacial.records import ApexSource, Clip

_CLIP_COLUMNS = [
    "corpus",
    "subject",
    "name",
    "label",
    "emotion",
    "action_units",
    "onset",
    "apex",
    "offset",
    "apex_source",
    "fps",
    "cropped",
    "frames",
    "numbers",
    "digest",
    "notes",
]

_MAX_FRAMES = 1_000_000  # of one clip


def digest_data(clips: Sequence[Clip]) -> str:
    """Return a digest of the data that an evaluation is for: the clips with their labels, moments and frames.

    Args:
        clips: the clips of a data set.
    """
    return digest([], [(clip.id, clip.label, clip.onset, clip.apex, clip.offset, clip.digest) for clip in clips])


def write_clips(path: Path, clips: Sequence[Clip]) -> None:
    """Write clips, one row per clip. Frame numbers are written as ranges, such as 46-78.

    Args:
        path: file to write.
        clips: clips in the order of the rows.
    """
    rows = ({**asdict(clip), "numbers": _as_ranges(clip.numbers), "fps": f"{clip.fps:g}"} for clip in clips)
    write_csv(path, rows, _CLIP_COLUMNS)


def read_clips(path: Path) -> tuple[Clip, ...]:
    """Read the clips that `write_clips` wrote.

    Args:
        path: file to read.

    Returns:
        Clips in the order of the rows.

    Raises:
        StorageError: the file is missing or damaged. The message names the line.
    """
    rows = read_csv(path, _CLIP_COLUMNS)
    with refuse_damaged(path):
        clips = tuple(_read_row(row, line) for line, row in enumerate(rows, 2))
        refuse_repeated("clip", (clip.id for clip in clips))
        if not clips:
            raise DamagedError("no clips")
    return clips


def _read_row(row: dict[str, str], line: int) -> Clip:
    texts = {column: row[column] for column in ("corpus", "subject", "name", "label", "emotion", "action_units")}
    try:
        clip = Clip(
            **texts,
            frames=row["frames"],
            numbers=_from_ranges(row["numbers"]),
            onset=parse_whole(row["onset"]),
            apex=parse_whole(row["apex"]),
            offset=parse_whole(row["offset"]),
            apex_source=cast(ApexSource, row["apex_source"]),
            fps=parse_decimal(row["fps"]),
            cropped=row["cropped"] == "True",
            digest=row["digest"],
            notes=row["notes"],
        )
        _check(clip, row["cropped"])
    except DamagedError as error:
        raise DamagedError(f"line {line}: {error}") from None
    return clip


def _check(clip: Clip, cropped: str) -> None:
    """Check that the moments of a clip lie in its frames, and that its frames lie below the root of the corpora."""
    if clip.apex_source not in get_args(ApexSource):
        raise DamagedError(f"{clip.apex_source!r} is not a source of an apex")
    if cropped not in ("True", "False"):
        raise DamagedError(f"{cropped!r} is neither True nor False")
    known_rate = clip.fps == 0 or LEAST_FPS <= clip.fps <= GREATEST_FPS  # 0: the corpus states no rate
    if not known_rate or not clip.onset <= clip.apex <= clip.offset:
        raise DamagedError(
            f"onset {clip.onset}, apex {clip.apex}, offset {clip.offset} and fps {clip.fps:g} contradict"
        )
    if not clip.numbers or list(clip.numbers) != sorted(set(clip.numbers)):
        raise DamagedError("the numbers of the frames do not ascend")
    absent = {clip.onset, clip.apex, clip.offset} - set(clip.numbers)
    if absent:
        raise DamagedError(f"the numbers of the frames lack the onset, apex or offset {min(absent)}")
    if not is_inside(clip.frames):
        raise DamagedError(f"{clip.frames!r} is not a path below the root of the corpora")


def _as_ranges(numbers: Sequence[int]) -> str:
    starts = [n for i, n in enumerate(numbers) if i == 0 or numbers[i - 1] != n - 1]
    ends = [n for i, n in enumerate(numbers) if i == len(numbers) - 1 or numbers[i + 1] != n + 1]
    return " ".join(f"{start}-{end}" for start, end in zip(starts, ends, strict=True))


def _from_ranges(text: str) -> tuple[int, ...]:
    spans = []
    for span in text.split():
        first, _, last = span.partition("-")
        spans.append(range(parse_whole(first), parse_whole(last) + 1))
    if sum(map(len, spans)) > _MAX_FRAMES:
        raise DamagedError(f"more than {_MAX_FRAMES} frames")
    return tuple(number for span in spans for number in span)
