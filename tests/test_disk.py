"""A full disk becomes one line with the path and the needed space. Limits of file size imitate a full disk."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from microfacial.disk import create_array, explain_full_disk, reserve
from microfacial.errors import StorageError
from microfacial.files import write_text
from microfacial.preprocessing.store import write_faces, write_flow

SHAPE = (300, 1, 3, 32, 32)  # 1.84 MB of float16


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fail(number: int) -> "type[OSError]":
    raise OSError(number, os.strerror(number))


def test_an_array_of_zeros_has_its_space_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    create_array(path, np.float16, SHAPE, path)
    assert path.stat().st_blocks * 512 >= path.stat().st_size
    array = np.load(path)
    assert (array.shape, array.dtype, array.any()) == (SHAPE, np.float16, False)


def test_reserving_space_keeps_the_content_of_a_sparse_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=SHAPE)
    array[7] = 5
    array.flush()
    before = path.read_bytes()
    reserve(path, path)
    assert path.stat().st_blocks * 512 >= path.stat().st_size
    assert path.read_bytes() == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_too_little_space_names_the_file_and_the_needed_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: fail(number))
    with pytest.raises(StorageError, match=r"flow\.npy needs 1\.8 MB.* MB free"):
        write_flow(tmp_path / "flow", ["a"] * 300, iter(()), (["onset>apex"], 3, "stretched"), 32)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("free", "fits"), [(10**9, True), (10**6, False)])
def test_a_file_system_that_cannot_reserve_space_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, fits: bool
) -> None:
    class Usage:
        pass

    Usage.free = free  # type: ignore[attr-defined]
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: fail(errno.EOPNOTSUPP))
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    path = tmp_path / "a.npy"
    if fits:
        create_array(path, np.float16, SHAPE, path)
        return
    with pytest.raises(StorageError, match=r"a\.npy needs 1\.8 MB, and its file system has 1\.0 MB free"):
        create_array(path, np.float16, SHAPE, path)


def test_faces_on_a_full_disk_end_with_one_line_and_leave_nothing(tmp_path: Path) -> None:
    with file_size_limit(10_000), pytest.raises(StorageError, match=r"faces/crops\.npy needs 1\.8 MB"):
        write_faces(tmp_path / "faces", 300, iter(()), ("eyes",), 32)
    assert list(tmp_path.iterdir()) == []


def test_a_text_file_on_a_full_disk_is_named(tmp_path: Path) -> None:
    with file_size_limit(10_000), pytest.raises(StorageError, match=r"page\.html needs more space"):
        write_text(tmp_path / "page.html", "x" * 20_000)
    assert list(tmp_path.iterdir()) == []


def test_other_errors_are_not_translated(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), explain_full_disk(tmp_path, 1):
        fail(errno.EACCES)
