import shutil
from pathlib import Path

import numpy as np
import pytest

from microfacial.errors import StorageError
from microfacial.files import write_arrays
from microfacial.preprocessing.clip_cache import ClipCache

ARRAYS = {"flow": np.arange(6, dtype=np.float16).reshape(2, 3)}
KEYS = ["aa11", "aa22", "bb33"]


def fill(folder: Path, spare_bytes: int = 0) -> ClipCache:
    cache = ClipCache(folder, spare_bytes)
    for key in KEYS:
        cache.write(key, ARRAYS)
    return cache


def test_arrays_survive_a_round_trip(tmp_path: Path) -> None:
    cache = fill(tmp_path)
    stored = cache.read("aa22", ("flow",))["flow"]
    assert stored.dtype == np.float16
    assert stored.tobytes() == ARRAYS["flow"].tobytes()
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.npz")) == [
        "aa/aa11.npz",
        "aa/aa22.npz",
        "bb/bb33.npz",
    ]


def test_clips_of_earlier_runs_are_deleted_at_the_start(tmp_path: Path) -> None:
    cache = fill(tmp_path)
    assert cache.start(["aa11", "cc44"]) == {"aa11"}
    assert [path.name for path in tmp_path.rglob("*.npz")] == ["aa11.npz"]


def test_spare_space_keeps_the_clips_that_were_used_last(tmp_path: Path) -> None:
    size = fill(tmp_path).path("aa11").stat().st_size
    cache = fill(tmp_path, spare_bytes=2 * size)
    cache.read("aa11", ("flow",))
    assert cache.start([]) == set()
    assert cache.start(KEYS) == {"aa11", "bb33"}


def test_remains_of_killed_runs_and_files_of_earlier_versions_are_deleted(tmp_path: Path) -> None:
    cache = fill(tmp_path)
    (tmp_path / "aa" / ".scratch-aa55.npz-x").mkdir()
    (tmp_path / "0123456789abcdef").mkdir()
    for name in ("flow.npy", "done.txt"):
        (tmp_path / "0123456789abcdef" / name).write_bytes(b"old")
    assert cache.start(KEYS) == set(KEYS)
    assert sorted(path.name for path in tmp_path.glob("*/*")) == [f"{key}.npz" for key in KEYS]


def test_the_file_of_another_clip_and_a_file_without_a_key_are_refused(tmp_path: Path) -> None:
    cache = fill(tmp_path)
    assert set(cache.read("aa11", ("flow",))) == {"flow"}
    shutil.copy(cache.path("aa22"), cache.path("aa11"))
    with pytest.raises(StorageError, match=r"aa11\.npz.*aa22"):
        cache.read("aa11", ("flow",))
    write_arrays(cache.path("aa11"), ARRAYS)
    with pytest.raises(StorageError, match=r"aa11\.npz"):
        cache.read("aa11", ("flow",))


@pytest.mark.parametrize("position", [100, -173])
def test_a_changed_byte_is_found(tmp_path: Path, position: int) -> None:
    cache = fill(tmp_path)
    path = cache.path("aa11")
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"aa11\.npz"):
        cache.read("aa11", ("flow",))
    with pytest.raises(StorageError, match=r"aa11\.npz.*Call again"):
        ClipCache(tmp_path, remedy="Call again").read("aa11", ("flow",))
