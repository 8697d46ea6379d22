"""Parse JSON, CSV and arrays that the project wrote. Whatever a library raises for damaged content is a `DamagedError`.

Nothing here unpickles. `files` opens files with these functions and adds the name of the file and a remedy.
"""

import codecs
import csv
import io
import json
import math
import re
import struct
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from tokenize import TokenError
from typing import Any, TypeVar
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from safetensors import SafetensorError
from safetensors.numpy import load

from microfacial.errors import DamagedError

_T = TypeVar("_T")

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?")
_ZIP_END, _ZIP_END_BYTES = b"PK\x05\x06", 22  # the last record of an archive without a comment
_SHOWN = 40  # characters of a cell that a message shows
_SAFETENSORS_ERRORS = (SafetensorError, LookupError, MemoryError, OverflowError, TypeError, ValueError)
_ARRAY_ERRORS = (  # numpy and zipfile raise these for damaged files
    ArithmeticError,
    AssertionError,
    AttributeError,
    BadZipFile,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TokenError,
    TypeError,
    ValueError,
    struct.error,
)


def parse_json(content: bytes) -> Any:
    """Return the value that a JSON file describes.

    Args:
        content: bytes of the file.

    Raises:
        DamagedError: the content is not JSON in UTF-8, has a key twice or a number that is not finite, or is one value
            without a line end, as a number has whose last digits were cut off.
    """
    try:
        content = content.removeprefix(codecs.BOM_UTF8)  # editors write it
        value = from_json(content, allow_inf_nan=False)  # json.loads accepts control characters and deeper nesting
        json.loads(content, object_pairs_hook=_refuse_repeated_keys)
    except DamagedError:
        raise
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"not valid JSON: {error}") from None
    if _has_infinity(value):
        raise DamagedError("a number is too large")
    if not isinstance(value, dict | list) and not content.endswith(b"\n"):
        raise DamagedError("it is cut off")
    return value


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON. A key that appears twice would hide one of its values."""
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise DamagedError(f"the key {repeated[:_SHOWN]!r} appears {names.count(repeated)} times")
    return content


def _has_infinity(value: Any) -> bool:
    """Return whether a number such as 1e999 has become infinite."""
    if isinstance(value, dict | list):
        return any(map(_has_infinity, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and math.isinf(value)


def parse_record(content: bytes, kind: type[_T]) -> _T:
    """Return the record that a JSON file describes.

    Args:
        content: bytes of the file.
        kind: a dataclass, or another type that pydantic can check. Types are not converted, except that a list becomes
            a tuple, and unknown keys are refused.

    Raises:
        DamagedError: the content is not JSON in UTF-8, or is not such a record. The message names the place.
    """
    content = content.removeprefix(codecs.BOM_UTF8)
    parse_json(content)  # has the better messages for content that is not JSON
    try:
        return TypeAdapter(kind).validate_json(content, strict=True, extra="forbid")
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(level) for level in fault["loc"]) or "the whole file"
        keys_differ = fault["type"] in ("missing", "missing_argument", "unexpected_keyword_argument", "extra_forbidden")
        reason = "; another version of microfacial wrote it" if keys_differ else ""
        raise DamagedError(f"{place}: {fault['msg'][0].lower()}{fault['msg'][1:]}{reason}") from None


def parse_csv(content: bytes, columns: Iterable[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file with a header.

    Args:
        content: bytes of the file. The last row ends with a line end.
        columns: columns that the file must have.

    Returns:
        Cells of each row as text, by the name of their column.

    Raises:
        DamagedError: the content is not UTF-8, the last row is cut off, a row has another number of cells than the
            header, or a column is missing or appears twice. The message names the line.
    """
    try:
        text = content.decode("utf-8-sig")  # spreadsheets write a byte order mark
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = next(reader, [])
        missing = [column for column in columns if column not in header]
        if missing:
            raise DamagedError(f"no column {missing[0]}")
        if len(set(header)) < len(header):
            raise DamagedError("a column appears twice")
        if not text.endswith("\n"):
            raise DamagedError(f"line {text.count(chr(10)) + 1} is cut off")
        rows = []
        for cells in reader:
            if len(cells) != len(header):
                raise DamagedError(f"line {reader.line_num} has {len(cells)} cells instead of {len(header)}")
            rows.append(dict(zip(header, cells, strict=True)))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DamagedError(f"line {line}: byte {content[error.start]:#04x} is not UTF-8") from None
    except csv.Error as error:
        raise DamagedError(f"line {reader.line_num}: {error}") from None
    return rows


def escape_text(text: str) -> str:
    """Return text for people, in which bytes of a file's name that are not UTF-8 are escapes.

    Args:
        text: text that can contain names of files.
    """
    return text.encode(errors="backslashreplace").decode()


def parse_whole(text: str) -> int:
    """Return the whole number in a cell.

    Args:
        text: decimal digits, after a minus sign for a negative number.

    Raises:
        DamagedError: the text is not such a number.
    """
    if not _WHOLE.fullmatch(text):
        raise DamagedError(f"{text[:_SHOWN]!r} is not a whole number")
    return int(text)


def parse_decimal(text: str) -> float:
    """Return the number in a cell.

    Args:
        text: decimal digits, such as 12.5 or 1e-05.

    Raises:
        DamagedError: the text is not such a number, or is not finite.
    """
    number = float(text) if _DECIMAL.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise DamagedError(f"{text[:_SHOWN]!r} is not a finite number")
    return number


def open_npy(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
    """Open an .npy file as a read-only memory map.

    Args:
        path: the file.
        dtype: its type of numbers.
        shape: its shape.

    Raises:
        DamagedError: the file is not an .npy file, has another type or shape, or another length than these need.
    """
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except _ARRAY_ERRORS as error:
        raise DamagedError(_in_one_line(error)) from None
    if array.dtype != np.dtype(dtype) or array.shape != shape:
        raise DamagedError(f"{array.dtype} {array.shape} instead of {np.dtype(dtype)} {shape}")
    surplus = path.stat().st_size - array.offset - array.nbytes  # type: ignore[attr-defined]  # it is a memmap
    if surplus:
        raise DamagedError(f"{surplus} bytes after the array")
    return array


def open_npz(path: Path, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """Read the arrays of an .npz file.

    Args:
        path: the file.
        names: names of the arrays that it must have.

    Returns:
        All arrays of the file by name.

    Raises:
        DamagedError: the file is not an uncompressed .npz file, lacks an array, or a number in it is not finite.
    """
    try:
        with path.open("rb") as stream, ZipFile(stream) as archive:
            entries = archive.infolist()
            stream.seek(-_ZIP_END_BYTES, io.SEEK_END)
            if stream.read(4) != _ZIP_END or min((entry.header_offset for entry in entries), default=0) > 0:
                raise DamagedError("bytes before or after the archive")
            if any(entry.compress_type != ZIP_STORED for entry in entries):
                raise DamagedError("it is compressed")
            arrays = {
                entry.filename.removesuffix(".npy"): np.lib.format.read_array(
                    io.BytesIO(archive.read(entry)), allow_pickle=False
                )
                for entry in entries
            }
    except DamagedError:
        raise
    except _ARRAY_ERRORS as error:
        raise DamagedError(_in_one_line(error)) from None
    missing = [name for name in names if name not in arrays]
    if missing:
        raise DamagedError(f"no array {missing[0]}")
    for name, array in arrays.items():
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            raise DamagedError(f"{name} has numbers that are not finite")
    return arrays


def parse_weights(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file by name.

    Args:
        content: bytes of the file.

    Raises:
        DamagedError: the content is not a safetensors file, or a number is not finite.
    """
    try:
        arrays: dict[str, NDArray[Any]] = load(content)
    except _SAFETENSORS_ERRORS as error:
        raise DamagedError(_in_one_line(error)) from None
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DamagedError(f"{name} has weights that are not finite")
    return arrays


def _in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def refuse_repeated(kind: str, names: Iterable[str]) -> None:
    """Refuse names of which one appears more than once.

    Args:
        kind: what is named, such as `clip`, for the message.
        names: the names.

    Raises:
        DamagedError: a name appears more than once.
    """
    for name, count in Counter(names).most_common(1):
        if count > 1:
            raise DamagedError(f"the {kind} {name} appears {count} times")
