"""Read and write the project's files: JSON, CSV, text, images and arrays. Compute digests of files.

Every write is atomic: a file is complete, or it does not exist.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from microfacial.errors import StorageError
from microfacial.records import Image

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
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".scratch-{path.name}-"  # .dvcignore has it too: DVC must not count the remains of a killed write
    for remains in path.parent.glob(f"{prefix}*"):
        shutil.rmtree(remains)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=path.parent) as folder:
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
    """Write text as UTF-8.

    Args:
        path: file to write.
        text: text to write.
    """
    with atomic_write(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Args:
        path: file to read.

    Raises:
        StorageError: the file is missing or is not valid JSON.
    """
    try:
        return json.loads(require_file(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise StorageError(f"{path} is damaged ({error}). Delete it and run `dvc repro`") from None


def write_csv(path: Path, rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write a CSV file. Floats have six decimals.

    Args:
        path: file to write.
        rows: cells of each row by the name of their column. Cells of other columns are not written.
        columns: names of the columns, in the order of the file.
    """
    with atomic_write(path) as scratch:
        pd.DataFrame(list(rows), columns=list(columns)).to_csv(scratch, index=False, float_format="%.6f")


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a CSV file that `write_csv` wrote.

    Args:
        path: file to read.

    Returns:
        Cells of each row as text, by the name of their column.

    Raises:
        StorageError: the file is missing.
    """
    table = pd.read_csv(require_file(path), dtype=str, keep_default_na=False)
    return [{str(column): cell for column, cell in row.items()} for row in table.to_dict("records")]


def digest(paths: Iterable[Path], *facts: Any) -> str:
    """Return a short SHA-256 over the bytes of files and over facts. It serves as a key for results computed from them.

    Args:
        paths: files.
        facts: values that JSON can hold. Other values are turned into text.

    Returns:
        The first 16 hexadecimal digits.

    Raises:
        StorageError: a file is missing.
    """
    total = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    for path in paths:
        with require_file(path).open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()[:16]


def require_file(path: Path) -> Path:
    """Return a path unchanged if it exists.

    Args:
        path: file or folder.

    Raises:
        StorageError: the path does not exist.
    """
    if not path.exists():
        raise StorageError(f"{path} is missing. Run `dvc repro`, which makes it")
    return path


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


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read an .npz file that `write_arrays` wrote.

    Args:
        path: file to read.

    Returns:
        Arrays by name.

    Raises:
        StorageError: the file is missing or damaged.
    """
    try:
        with np.load(require_file(path), allow_pickle=False) as archive:
            return dict(archive)
    except (BadZipFile, ValueError, EOFError) as error:
        raise StorageError(f"{path} is damaged ({error}). Delete it and run `dvc repro`") from None


def as_file_name(key: str) -> str:
    """Return the file name for the key of a fold. Slashes become hyphens.

    Args:
        key: key of a fold; see `FoldPlan.key`.
    """
    return key.replace("/", "-")
