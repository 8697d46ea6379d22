"""Files on disk: reserve space before it is written, explain a full disk, and read only what has an end.

A memory map of a file without reserved space ends the process with SIGBUS, without a message, when the disk is full.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import DTypeLike

from microfacial.errors import DamagedError, StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LARGEST_BYTES = 2_000_000_000  # of a file that is read as a whole; predictions of a million clips have .1 GB
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)  # answers of file systems that cannot reserve space


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
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(stream.fileno(), 0, status.st_size)
                return
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        if shutil.disk_usage(path.parent).free < missing:
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


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
