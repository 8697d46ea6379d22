"""Files on disk: reserve space before it is written, explain a full disk, and read only what has an end.

Large arrays are in temporary files, so that memory does not grow with the number of clips.

A memory map of a file without reserved space ends the process with SIGBUS, without a message, when the disk is full.
"""

import errno
import fcntl
import os
import shutil
import stat
import tempfile
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil
from numpy.typing import DTypeLike, NDArray

from microfacial.errors import DamagedError, StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LARGEST_BYTES = 2_000_000_000  # of a file that is read as a whole; predictions of a million clips have .1 GB
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)  # answers of file systems that cannot reserve space
_MEMORY_BYTES = 256 * 2**20  # of an array that is in memory; larger ones are in a file
_BLOCK_BYTES = 64 * 2**20  # of rows that are read at once
_SCRATCH = "microfacial-array-"  # start of the names of these files
_LOCKED_S = 60.0  # age at which an array in use has its lock
_LARGE_FILES = Path("/var/tmp")


def create_array(path: Path, dtype: DTypeLike, shape: tuple[int, ...], shown: Path) -> None:
    """Write a .npy file of zeros whose space on disk is reserved.

    Args:
        path: file to write.
        dtype: type of the numbers.
        shape: shape of the array.
        shown: path for messages, if `path` is a scratch path.

    Raises:
        StorageError: the file system has too little space.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    with explain_full_disk(shown, size):
        np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape).flush()
    reserve(path, shown)


def empty_array(shape: tuple[int, ...], dtype: DTypeLike, *, shared: bool = False) -> NDArray[Any]:
    """Return an array whose numbers are undefined: in memory, or in a temporary file if it has more than 256 MB.

    The system moves a file out of memory where memory is short, and reads the parts that are used. The file is deleted
    when nothing refers to the array any more.

    Args:
        shape: shape of the array.
        dtype: type of the numbers.
        shared: whether worker processes can use the array, too. The file then has a name. If this process is killed,
            the file is deleted when a process creates the next one. A file without a name never outlives its process.

    Raises:
        StorageError: the disk is full. The files are in `TMPDIR` if it is set, otherwise in /var/tmp.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if size <= _MEMORY_BYTES:
        return np.empty(shape, dtype)
    folder = _scratch_folder()
    with explain_full_disk(folder, size), ExitStack() as stack:
        file: IO[bytes]
        if shared:
            _delete_leftovers(folder)
            file = stack.enter_context(tempfile.NamedTemporaryFile(prefix=_SCRATCH, dir=folder))
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)  # until the file is closed, which also deletes it
        else:
            file = stack.enter_context(tempfile.TemporaryFile(dir=folder))
        file.truncate(size)
        _allocate(file.fileno(), folder, size)
        array = np.memmap(file.name if shared else file, dtype, mode="r+", shape=shape)
        weakref.finalize(array.base, stack.pop_all().close)  # views of the array keep its base
    return array


def take_rows(array: NDArray[Any], rows: NDArray[np.int64], *, shared: bool = False) -> NDArray[Any]:
    """Return a copy of some rows of an array. A large copy is in a temporary file; see `empty_array`.

    Args:
        array: `(N, …)`.
        rows: indices of the rows, `(n,)`.
        shared: whether worker processes can use the copy, too.

    Raises:
        StorageError: the disk is full.
    """
    copy = empty_array((len(rows), *array.shape[1:]), array.dtype, shared=shared)
    for block in split_rows(array, len(rows)):
        copy[block] = array[rows[block]]
    return copy


def split_rows(array: NDArray[Any], count: int) -> Iterator[slice]:
    """Yield slices of a list of rows of an array, so that the rows of each slice have up to 64 MB.

    Args:
        array: `(N, …)`.
        count: length of the list.
    """
    step = max(1, _BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def stack_rows(rows: Iterable[NDArray[Any]], count: int) -> NDArray[Any]:
    """Return arrays of one shape and type as the rows of a new array, which worker processes can use, too.

    A large array is in a temporary file; see `empty_array`.

    Args:
        rows: the arrays, at least one.
        count: number of the arrays.

    Raises:
        StorageError: the disk is full.
    """
    stacked: NDArray[Any] | None = None
    for number, row in enumerate(rows):
        if stacked is None:
            stacked = empty_array((count, *row.shape), row.dtype, shared=True)
        stacked[number] = row
    assert stacked is not None
    return stacked


def reserve(path: Path, shown: Path) -> None:
    """Reserve space for all bytes of an existing file, whose content does not change.

    Args:
        path: file, which may have holes.
        shown: path for messages, if `path` is a scratch path.

    Raises:
        StorageError: the file system has too little space.
    """
    status = path.stat()
    missing = max(0, status.st_size - status.st_blocks * 512)
    with explain_full_disk(shown, missing), path.open("r+b") as stream:
        _allocate(stream.fileno(), path.parent, missing)


def _allocate(descriptor: int, folder: Path, missing: int) -> None:
    """Reserve space for an open file in a folder that lacks a number of bytes, or raise an OSError."""
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, os.fstat(descriptor).st_size)
            return
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    if shutil.disk_usage(folder).free < missing:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def explain_full_disk(path: Path, size: int | None = None) -> Iterator[None]:
    """Translate errors of a full disk in the context.

    Args:
        path: file or folder that is written.
        size: needed space in bytes. None if it is not known.

    Raises:
        StorageError: in place of an OSError about space. It has the path, the needed and the free space.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        free = shutil.disk_usage(existing_parent(path)).free
        needed = "more space" if size is None else _megabytes(size)
        raise StorageError(
            f"{path} needs {needed}, and its file system has {_megabytes(free)} free "
            f"({os.strerror(error.errno or 0)}). Make room or raise the limit, then run the command again"
        ) from None


def existing_parent(path: Path) -> Path:
    """Return a path if it exists, and otherwise its nearest parent that exists.

    Args:
        path: a path.
    """
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def is_writable(path: Path) -> bool:
    """Return whether this user may change a file or folder, or make it if it is missing.

    Args:
        path: a file or folder.
    """
    return os.access(existing_parent(path), os.W_OK)


def is_in_use(scratch: Path) -> bool:
    """Return whether another process still writes into a scratch folder.

    Args:
        scratch: the folder. The number of the process is the last but one part of its name.
    """
    number = scratch.name.split("-")[-2]
    if not number.isdecimal() or int(number) == os.getpid():
        return False
    try:
        return psutil.Process(int(number)).create_time() <= scratch.stat().st_mtime  # a later process has its number
    except (psutil.Error, OSError):
        return False


def read_content(path: Path, *, pipes: bool = False) -> bytes:
    """Return the bytes of a file that is read as a whole, such as a table.

    Args:
        path: file to read.
        pipes: whether to read a pipe too, such as /dev/stdin.

    Raises:
        DamagedError: the path is a pipe or a device, which may have no end, or the content is far too large.
        OSError: the file is missing or cannot be read.
    """
    status = path.stat()
    if pipes and stat.S_ISFIFO(status.st_mode):
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_BYTES + 1)
        if len(content) > _LARGEST_BYTES:
            raise DamagedError(f"it has more than {_LARGEST_BYTES / 1e9:.0f} GB")
        return content
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise DamagedError("it is a pipe or a device, not a file")
    if status.st_size > _LARGEST_BYTES:
        raise DamagedError(f"it has {status.st_size / 1e9:.1f} GB, and at most {_LARGEST_BYTES / 1e9:.0f} GB are read")
    return path.read_bytes()


def _scratch_folder() -> Path:
    """Return the folder for large temporary files: the one that the user chose, or the one of the system."""
    chosen = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    is_usable = _LARGE_FILES.is_dir() and is_writable(_LARGE_FILES)
    return _LARGE_FILES if is_usable and not chosen else Path(tempfile.gettempdir())


def _delete_leftovers(folder: Path) -> None:
    """Delete the arrays of processes that were killed. Other processes hold a lock on their files."""
    for path in folder.glob(f"{_SCRATCH}*"):
        with suppress(OSError), path.open("r+b") as file:  # an error: the lock is held, or another user owns the file
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - path.stat().st_mtime > _LOCKED_S:
                path.unlink()


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
