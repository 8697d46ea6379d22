"""Read and write the project's files: JSON, CSV, text, images and arrays. Compute digests of files.

Every write is atomic: a file is complete, or it does not exist. Every reader checks the content, because tools, people
and disks damage files. It then raises a `StorageError` with the file, the reason and a remedy.
"""

import glob
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, overload

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.disk import explain_full_disk, is_in_use, read_content
from microfacial.errors import ConfigError, DamagedError, StorageError
from microfacial.formats import escape_text, open_npy, open_npz, parse_csv, parse_json, parse_record
from microfacial.records import Image

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")

_SCRATCH = ".scratch-"

REPAIR = "Delete it and run `dvc repro`"
"""Remedy for a damaged file of a stage or of a cache."""

# --- errors -----------------------------------------------------------------------------------------------------------


@contextmanager
def refuse_damaged(path: Path, remedy: str = REPAIR) -> Iterator[None]:
    """Raise an error with the file, the reason and a remedy if the file is missing or damaged.

    Args:
        path: file that the body of the `with` statement reads. The body raises `DamagedError` with a reason.
        remedy: what to do, as a sentence without a full stop.

    Raises:
        StorageError: the file is missing, cannot be read or is damaged.
    """
    _LOG.debug("reading %s", path)
    try:
        yield
    except DamagedError as error:
        raise StorageError(f"{path} is damaged ({error}). {remedy}") from None
    except FileNotFoundError:
        raise StorageError(f"{path} is missing. {_when_missing(remedy)}") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror or error}). {remedy}") from None


def _when_missing(remedy: str) -> str:
    """Return the remedy for a missing file, which nobody can delete."""
    return "Run `dvc repro`, which makes it" if remedy == REPAIR else remedy


def as_path(value: object, where: str) -> Path:
    """Return a path that a caller gives as an argument, with `~` expanded.

    Args:
        value: text or a path.
        where: the argument, for messages.

    Raises:
        ConfigError: the value is something else, or has a null character.
    """
    if not isinstance(value, str | Path) or "\0" in str(value):
        raise ConfigError(f"{where} must be a path, found {value!r}. Give a text or a pathlib.Path")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ConfigError(f"{where}: {value} starts with an unknown user. Correct the path") from None


# --- atomic writing ---------------------------------------------------------------------------------------------------


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file or folder completely or not at all.

    Only one process may write a path at a time.

    Args:
        path: file or folder to write. It is replaced if it exists.

    Yields:
        A scratch path in the same folder. Write a file there, or make it a folder. On success it is renamed to `path`;
        on an error it is deleted.

    Raises:
        StorageError: the disk is full.
    """
    if not any(part.startswith(_SCRATCH) for part in path.parts):  # a file in a scratch folder belongs to that folder
        hidden = any(part.startswith(".") and part != ".." for part in path.parts[:-1])
        _LOG.debug("writing %s", path, extra={"prints_itself": hidden})  # hidden files belong to a step with progress
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f"{_SCRATCH}{path.name}-"  # .dvcignore has it too: DVC must not count the remains of a killed write
    for remains in path.parent.glob(f"{glob.escape(prefix)}*"):
        if not is_in_use(remains):
            shutil.rmtree(remains)
    with explain_full_disk(path), tempfile.TemporaryDirectory(None, f"{prefix}{os.getpid()}-", path.parent) as folder:
        scratch = Path(folder) / path.name
        yield scratch
        if scratch.is_dir() and path.exists():
            shutil.rmtree(path)
        scratch.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Write JSON with the keys in the given order.

    Args:
        path: file to write.
        content: content that JSON can hold.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, completely or not at all. An existing file is replaced.

    Bytes of a file's name that are not UTF-8 are written as escapes; see `escape_text`.

    Args:
        path: file to write.
        text: text to write.
    """
    with atomic_write(path) as scratch:
        scratch.write_text(escape_text(text), encoding="utf-8")


@overload
def read_json(path: Path, *, remedy: str = REPAIR) -> Any: ...
@overload
def read_json(path: Path, kind: type[_T], remedy: str = REPAIR) -> _T: ...
def read_json(path: Path, kind: Any = None, remedy: str = REPAIR) -> Any:
    """Return the content of a JSON file.

    Args:
        path: file to read.
        kind: type of the content; see `parse_record`. None accepts any JSON.
        remedy: what to do if the file is damaged.

    Raises:
        StorageError: the file is missing, is not valid JSON, or has content of another type. The message names the
            place in the file.
    """
    with refuse_damaged(path, remedy):
        content = read_content(path)
        return parse_json(content) if kind is None else parse_record(content, kind)


def write_csv(path: Path, rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write a CSV file. Floats have six decimals.

    Args:
        path: file to write.
        rows: cells of each row by the name of their column. Cells of other columns are not written.
        columns: names of the columns, in the order of the file.

    Raises:
        StorageError: a cell is not UTF-8, or the disk is full.
    """
    import pandas as pd  # importing it takes half a second, and most commands write no table

    with atomic_write(path) as scratch:
        try:
            pd.DataFrame(list(rows), columns=list(columns)).to_csv(scratch, index=False, float_format="%.6f")
        except UnicodeEncodeError as error:
            raise StorageError(f"{path}: {error.object!a} is not UTF-8. Rename the file or folder") from None


def read_csv(path: Path, columns: Iterable[str] = (), remedy: str = REPAIR) -> list[dict[str, str]]:
    """Read a CSV file that `write_csv` wrote.

    Args:
        path: file to read.
        columns: columns that the file must have.
        remedy: what to do if the file is damaged.

    Returns:
        Cells of each row as text, by the name of their column.

    Raises:
        StorageError: the file is missing, is not UTF-8, is cut off, or lacks a column. The message names the line.
    """
    with refuse_damaged(path, remedy):
        return parse_csv(read_content(path), columns)


def digest(paths: Iterable[Path], *facts: Any) -> str:
    """Return a short SHA-256 over the bytes of files and over facts. It serves as a key for results computed from them.

    Args:
        paths: files.
        facts: values that JSON can hold. Other values are turned into text.

    Returns:
        The first 16 hexadecimal digits.

    Raises:
        StorageError: a file is missing or cannot be read.
    """
    total = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    for path in paths:
        with refuse_damaged(path), path.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()[:16]


# --- images -----------------------------------------------------------------------------------------------------------


def write_image(path: Path, image: Image) -> None:
    """Write an image in the format of the file's extension.

    Args:
        path: file to write, such as sheet.png.
        image: image, `(H, W, 3)` uint8, BGR.

    Raises:
        StorageError: OpenCV cannot write files with this extension.
    """
    try:
        _, content = cv2.imencode(path.suffix, image)
    except cv2.error:
        extension = path.suffix or "an image without extension"
        raise StorageError(f"{path}: cannot write {extension}. Use .png") from None
    with atomic_write(path) as scratch:
        scratch.write_bytes(content.tobytes())


# --- arrays -----------------------------------------------------------------------------------------------------------


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to an .npz file. Equal arrays give equal bytes, because numpy dates every entry of the file to 1980.

    Args:
        path: file to write.
        arrays: arrays by name.

    Raises:
        ValueError: an array has a dtype that only pickle can hold.
    """
    with atomic_write(path) as scratch:
        np.savez(scratch, allow_pickle=False, **arrays)


def read_arrays(path: Path, names: Collection[str] = (), remedy: str = REPAIR) -> dict[str, NDArray[Any]]:
    """Read an .npz file that `write_arrays` wrote.

    Args:
        path: file to read.
        names: arrays that the file must have.
        remedy: what to do if the file is damaged.

    Returns:
        Arrays by name. All numbers are finite.

    Raises:
        StorageError: the file is missing or damaged, lacks an array, or has a number that is not finite.
    """
    with refuse_damaged(path, remedy):
        return open_npz(path, names)


def read_array(path: Path, dtype: type[np.generic], shape: tuple[int, ...], remedy: str = REPAIR) -> NDArray[Any]:
    """Open an .npy file as a read-only memory map. Its numbers are not checked.

    Args:
        path: file to read.
        dtype: type of its numbers.
        shape: shape of the array.
        remedy: what to do if the file is damaged.

    Raises:
        StorageError: the file is missing or damaged, or has another type or shape.
    """
    with refuse_damaged(path, remedy):
        return open_npy(path, dtype, shape)


def as_file_name(key: str) -> str:
    """Return the file name for the key of a fold. Slashes become hyphens.

    Args:
        key: key of a fold; see `FoldPlan.key`.
    """
    return key.replace("/", "-")
