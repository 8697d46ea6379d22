"""Files that the project writes: JSON, CSV, text, images, arrays and digests.

Every write is atomic: a file is there whole, or not at all.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from microfacial.errors import StorageError

# --- atomic writing ---------------------------------------------------------------------------------------------------


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
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
    with atomic_write(path) as fresh:
        fresh.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8."""
    with atomic_write(path) as fresh:
        fresh.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        StorageError: the file is missing or no JSON.
    """
    try:
        return json.loads(require_file(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise StorageError(f"{path} is damaged ({error}). Delete it and run `dvc repro`") from None


def write_csv(path: Path, rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as CSV, floats with six digits."""
    with atomic_write(path) as fresh:
        pd.DataFrame(list(rows), columns=list(columns)).to_csv(fresh, index=False, float_format="%.6f")


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a CSV that `write_csv` wrote, every cell as text.

    Raises:
        StorageError: the file is missing.
    """
    table = pd.read_csv(require_file(path), dtype=str, keep_default_na=False)
    return cast(list[dict[str, str]], table.to_dict("records"))


def digest(paths: Iterable[Path], *facts: Any) -> str:
    """Short SHA-256 over the bytes of files and the JSON of facts: the key of what was computed from them."""
    total = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    for path in paths:
        with require_file(path).open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()[:16]


def require_file(path: Path) -> Path:
    """Return the path if the file exists.

    Raises:
        StorageError: the file is missing.
    """
    if not path.exists():
        raise StorageError(f"{path} is missing. Run `dvc repro`, which makes it")
    return path


# --- images ----------------------------------------------------------------------------------------------------------


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an image `(H, W, 3)` uint8, BGR, in the format its name asks for.

    Raises:
        StorageError: the name ends in no format that can be written.
    """
    try:
        _, content = cv2.imencode(path.suffix, image)
    except cv2.error:
        raise StorageError(f"{path}: cannot write {path.suffix or 'a picture without ending'}; use .png") from None
    with atomic_write(path) as fresh:
        fresh.write_bytes(content.tobytes())


# --- arrays -----------------------------------------------------------------------------------------------------------


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays; equal arrays are equal bytes, for numpy dates the members of an archive to 1980."""
    with atomic_write(path) as fresh:
        np.savez(fresh, allow_pickle=False, **arrays)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `write_arrays` wrote.

    Raises:
        StorageError: the file is missing or damaged.
    """
    try:
        with np.load(require_file(path), allow_pickle=False) as kept:
            return dict(kept)
    except (BadZipFile, ValueError, EOFError) as error:
        raise StorageError(f"{path} is damaged ({error}). Delete it and run `dvc repro`") from None


def as_file_name(key: str) -> str:
    """The key of a fold as the name of a file."""
    return key.replace("/", "-")
