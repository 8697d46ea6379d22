"""The file formats of what the pipeline writes, and of tables; `frames` has those that cameras write.

Every write is atomic: a file is there whole, or not at all.
"""

import hashlib
import json
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from microfacial.errors import DatasetError, StorageError
from microfacial.records import ApexSource, Box, Clip, Face, FaceSource, FaceStore, FlowUnit

# --- atomic writing ---------------------------------------------------------------------------------------------------


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a scratch path beside `path`; on success it takes the name `path`, on an error it is gone.

    One writer at a time. The scratch path may be written as a file or made a folder; an existing `path` is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".scratch-{path.name}-"  # .dvcignore names it: what a kill leaves must not count as output
    for left_by_a_kill in path.parent.glob(f"{prefix}*"):
        shutil.rmtree(left_by_a_kill)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=path.parent) as scratch:
        fresh = Path(scratch) / path.name
        yield fresh
        if fresh.is_dir() and path.exists():
            shutil.rmtree(path)
        fresh.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Write JSON with a stable order of keys as given."""
    with writing(path) as fresh:
        fresh.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8."""
    with writing(path) as fresh:
        fresh.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        StorageError: the file is missing or no JSON.
    """
    try:
        return json.loads(_existing(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise StorageError(f"{path} is damaged ({error}). Delete it and run `dvc repro`") from None


def write_csv(path: Path, rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as CSV, floats with six digits."""
    with writing(path) as fresh:
        pd.DataFrame(list(rows), columns=list(columns)).to_csv(fresh, index=False, float_format="%.6f")


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a CSV that `write_csv` wrote, every cell as text.

    Raises:
        StorageError: the file is missing.
    """
    table = pd.read_csv(_existing(path), dtype=str, keep_default_na=False)
    return cast(list[dict[str, str]], table.to_dict("records"))


def digest(paths: Iterable[Path], *facts: Any) -> str:
    """Short SHA-256 over the bytes of files and the JSON of facts: the key of what was computed from them."""
    total = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    for path in paths:
        with _existing(path).open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()[:16]


def _existing(path: Path) -> Path:
    if not path.exists():
        raise StorageError(f"{path} is missing. Run `dvc repro`, which makes it")
    return path


# --- what users bring -------------------------------------------------------------------------------------------------


def read_table(path: Path, heading: str, sheet: str | None = None) -> pd.DataFrame:
    """A sheet of a spreadsheet, every cell as stripped text ('' where blank), indexed by the sheet's row numbers.

    Args:
        heading: the header is the first row that holds this cell.
        sheet: the sheet of this name where the file has one, else the first.

    Raises:
        DatasetError: the file is no readable spreadsheet, or no row holds the heading.
    """
    try:
        with pd.ExcelFile(path) as book:
            name = sheet if sheet in book.sheet_names else 0
            cells = pd.read_excel(book, sheet_name=name, header=None, dtype=str, keep_default_na=False)
    except (ValueError, OSError, EOFError, KeyError, SyntaxError, BadZipFile, zlib.error) as error:
        # SyntaxError is how damaged XML shows
        raise DatasetError(f"{path} is no readable spreadsheet ({error}). Copy it again from the release") from None
    cells = cells.fillna("").map(str.strip)  # an error such as #N/A is no text
    top = _find_row(cells, heading, path)
    table = cells.iloc[top + 1 :]
    table.columns = cells.iloc[top].tolist()
    table.index = pd.RangeIndex(top + 2, len(cells) + 1)
    return table


def _find_row(cells: pd.DataFrame, heading: str, path: Path) -> int:
    rows = (cells == heading).any(axis=1).to_numpy().nonzero()[0]
    if not len(rows):
        raise DatasetError(f"{path}: no row holds a cell {heading!r}. Copy the sheet again from the release")
    return int(rows[0])


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an image `(H, W, 3)` uint8, BGR, in the format its name asks for.

    Raises:
        StorageError: the name ends in no format that can be written.
    """
    try:
        _, content = cv2.imencode(path.suffix, image)
    except cv2.error:
        raise StorageError(f"{path}: cannot write {path.suffix or 'a picture without ending'}; use .png") from None
    with writing(path) as fresh:
        fresh.write_bytes(content.tobytes())


# --- clips ------------------------------------------------------------------------------------------------------------

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
    """One row a clip; frame numbers as ranges, such as 46-78."""
    rows = ({**asdict(clip), "numbers": _as_ranges(clip.numbers), "fps": f"{clip.fps:g}"} for clip in clips)
    write_csv(path, rows, _CLIP_COLUMNS)


def read_clips(path: Path) -> tuple[Clip, ...]:
    """Read what `write_clips` wrote.

    Raises:
        StorageError: the file is missing.
    """
    return tuple(_read_clip(row) for row in read_csv(path))


def _read_clip(row: dict[str, str]) -> Clip:
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


# --- faces ------------------------------------------------------------------------------------------------------------


def write_faces(
    folder: Path,
    count: int,
    located: Iterable[tuple[Face, NDArray[np.uint8]]],
    regions: Sequence[str],
    size_px: int,
) -> None:
    """Write transforms and boxes as faces.json, and the aligned onset and apex crops as crops.npy.

    Args:
        count: how many faces `located` yields, one by one.
        located: each face with its crops, `(2, H, W, 3)` uint8, onset first.
    """
    with writing(folder) as fresh:
        fresh.mkdir()
        shape = (count, 2, size_px, size_px, 3)
        crops = np.lib.format.open_memmap(fresh / "crops.npy", mode="w+", dtype=np.uint8, shape=shape)
        rows = []
        for row, (face, pair) in enumerate(located):
            crops[row] = pair
            rows.append({**asdict(face), "transform": face.transform.tolist()})
        crops.flush()
        write_json(fresh / "faces.json", {"regions": list(regions), "size_px": size_px, "faces": rows})


def read_faces(folder: Path) -> tuple[tuple[Face, ...], tuple[str, ...], int]:
    """Faces, the names of their regions, and the aligned square's side in px, as `write_faces` wrote them.

    Raises:
        StorageError: the file is missing or damaged.
    """
    content = read_json(folder / "faces.json")
    return tuple(_read_face(row) for row in content["faces"]), tuple(content["regions"]), content["size_px"]


def read_crops(folder: Path) -> NDArray[np.uint8]:
    """Aligned onset and apex crops `(N, 2, H, W, 3)` uint8, BGR, memory-mapped, as `write_faces` wrote them.

    Raises:
        StorageError: the file is missing.
    """
    crops: NDArray[np.uint8] = np.load(_existing(folder / "crops.npy"), mmap_mode="r")
    return crops


def _read_face(row: dict[str, Any]) -> Face:
    return Face(
        clip=row["clip"],
        transform=np.array(row["transform"]),
        boxes=tuple(cast(Box, tuple(box)) for box in row["boxes"]),
        source=cast(FaceSource, row["source"]),
        confidence=row["confidence"],
    )


# --- flow -------------------------------------------------------------------------------------------------------------


class FlowWriter:
    """Collects the flow of clips in a folder, clip by clip, and survives being killed between any two of them.

    A clip counts as done when its line stands in done.txt, which is written after its flow has reached the file.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...]) -> None:
        self.folder = folder
        self._log = folder / "done.txt"
        array = folder / "flow.npy"
        if not array.exists():
            self._log.unlink(missing_ok=True)  # what it lists went away with the array
            with writing(array) as fresh:
                np.lib.format.open_memmap(fresh, mode="w+", dtype=np.float16, shape=shape).flush()
        self._flow = np.lib.format.open_memmap(array, mode="r+")

    def done(self) -> set[str]:
        """Keys of the clips that are finished."""
        return set(self._log.read_text().splitlines()) if self._log.exists() else set()

    def add(self, row: int, key: str, flow: NDArray[np.float16]) -> None:
        """Store the flow of one clip, `(T, C, H, W)`, and remember that it is done."""
        self._flow[row] = flow
        self._flow.flush()
        with self._log.open("a") as log:
            log.write(f"{key}\n")

    def read(self) -> NDArray[np.float16]:
        """The flow of all clips, `(N, T, C, H, W)`, memory-mapped; zeros for one that is not done."""
        flow: NDArray[np.float16] = np.load(self.folder / "flow.npy", mmap_mode="r")
        return flow

    def finish(self, out: Path, index: dict[str, Any]) -> None:
        """Move the flow to `out`, with its index beside it; the folder is gone then."""
        with writing(out) as fresh:
            fresh.mkdir()
            write_json(fresh / "index.json", index)
            (self.folder / "flow.npy").replace(fresh / "flow.npy")
        shutil.rmtree(self.folder)


def read_store(flow_folder: Path, faces_folder: Path) -> FaceStore:
    """Crops, flow and regions of all clips, memory-mapped.

    Raises:
        StorageError: a file is missing or damaged, or faces and flow are not of the same clips.
    """
    index = read_json(flow_folder / "index.json")
    faces, regions, _ = read_faces(faces_folder)
    clips = tuple(index["clips"])
    if clips != tuple(face.clip for face in faces):
        raise StorageError(f"{flow_folder} and {faces_folder} are not of the same clips. Run `dvc repro`")
    return FaceStore(
        clips=clips,
        crops=read_crops(faces_folder),
        flow=np.load(_existing(flow_folder / "flow.npy"), mmap_mode="r"),
        windows=tuple(index["windows"]),
        unit=cast(FlowUnit, index["unit"]),
        boxes=np.array([face.boxes for face in faces], dtype=np.int64),
        regions=regions,
    )


def read_measured(build: Path) -> tuple[FaceStore, tuple[Clip, ...]]:
    """Faces and flow of a data set, memory-mapped, and its clips in the same order; `build` is its folder.

    Raises:
        StorageError: a stage has not been run, or for other clips.
    """
    store, clips = read_store(build / "flow", build / "faces"), read_clips(build / "clips.csv")
    if store.clips != tuple(clip.id for clip in clips):
        raise StorageError(f"{build}: flow and clips.csv are not of the same clips. Run `dvc repro`")
    return store, clips


# --- arrays -----------------------------------------------------------------------------------------------------------


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays; equal arrays are equal bytes, for numpy dates the members of an archive to 1980."""
    with writing(path) as fresh:
        np.savez(fresh, allow_pickle=False, **arrays)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `write_arrays` wrote.

    Raises:
        StorageError: the file is missing or damaged.
    """
    try:
        with np.load(_existing(path), allow_pickle=False) as kept:
            return dict(kept)
    except (BadZipFile, ValueError, EOFError) as error:
        raise StorageError(f"{path} is damaged ({error}). Delete it and run `dvc repro`") from None


def as_file_name(key: str) -> str:
    """The key of a fold as the name of a file."""
    return key.replace("/", "-")
