"""Write and read clips.csv, the table of clips that the stage `clips` writes and all later stages read."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

from microfacial.files import read_csv, write_csv
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
        StorageError: the file is missing.
    """
    return tuple(_read_row(row) for row in read_csv(path))


def _read_row(row: dict[str, str]) -> Clip:
    texts = {column: row[column] for column in ("corpus", "subject", "name", "label", "emotion", "action_units")}
    return Clip(
        **texts,
        frames=row["frames"],
        numbers=_from_ranges(row["numbers"]),
        onset=int(row["onset"]),
        apex=int(row["apex"]),
        offset=int(row["offset"]),
        apex_source=cast(ApexSource, row["apex_source"]),
        fps=float(row["fps"]),
        cropped=row["cropped"] == "True",
        digest=row["digest"],
        notes=row["notes"],
    )


def _as_ranges(numbers: Sequence[int]) -> str:
    starts = [n for i, n in enumerate(numbers) if i == 0 or numbers[i - 1] != n - 1]
    ends = [n for i, n in enumerate(numbers) if i == len(numbers) - 1 or numbers[i + 1] != n + 1]
    return " ".join(f"{start}-{end}" for start, end in zip(starts, ends, strict=True))


def _from_ranges(text: str) -> tuple[int, ...]:
    spans = (span.split("-") for span in text.split())
    return tuple(number for start, end in spans for number in range(int(start), int(end) + 1))
