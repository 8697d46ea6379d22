import os
from pathlib import Path

import numpy as np
import pytest

from microfacial.errors import StorageError
from microfacial.files import (
    atomic_write,
    digest,
    read_json,
    write_arrays,
    write_csv,
    write_image,
    write_json,
    write_text,
)


def test_a_failed_write_keeps_the_old_file_and_leaves_no_scratch_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, 1)

    def fail() -> None:
        with atomic_write(path) as scratch:
            scratch.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert read_json(path) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_is_replaced_completely(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with atomic_write(tmp_path / "out") as scratch:
            scratch.mkdir()
            (scratch / name).touch()
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["new"]


def test_a_missing_or_damaged_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"a\.json .*`dvc repro`"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(StorageError, match=r"a\.json .*`dvc repro`"):
        read_json(tmp_path / "a.json")


def test_a_write_deletes_the_remains_of_a_killed_write(tmp_path: Path) -> None:
    remains = tmp_path / ".scratch-a.json-xyz"
    remains.mkdir()
    (remains / "a.json").write_text("half")
    write_json(tmp_path / "a.json", 1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_write_keeps_the_scratch_folder_of_another_process(tmp_path: Path) -> None:
    reused = tmp_path / f".scratch-a.json-{os.getppid()}-old"
    reused.mkdir()
    os.utime(reused, (0, 0))  # older than the process with this number
    other = tmp_path / f".scratch-a.json-{os.getppid()}-xyz"
    other.mkdir()
    write_json(tmp_path / "a.json", 1)
    assert other.is_dir()
    assert not reused.exists()
    own = tmp_path / f".scratch-a.json-{os.getpid()}-xyz"
    own.mkdir()
    write_json(tmp_path / "a.json", 1)
    assert not own.exists()


def test_a_name_that_is_not_utf_8_is_an_escape_in_text_and_refused_in_a_table(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "bad\udcff.mp4")
    assert (tmp_path / "a.txt").read_text() == r"bad\udcff.mp4"
    with pytest.raises(StorageError, match=r"a\.csv: .*bad.*udcff\.mp4"):
        write_csv(tmp_path / "a.csv", [{"clip": "bad\udcff.mp4"}], ["clip"])
    assert not (tmp_path / "a.csv").exists()


def test_a_file_that_is_far_too_large_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as stream:
        stream.truncate(300 * 10**9)
    with pytest.raises(StorageError, match=r"a\.json .*300\.0 GB"):
        read_json(tmp_path / "a.json")


def test_an_image_with_an_unknown_extension_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"sheet\.doc.*\.png"):
        write_image(tmp_path / "sheet.doc", np.zeros((2, 2, 3), np.uint8))


def test_a_digest_depends_on_bytes_and_on_facts(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    keys = [digest([tmp_path / "a"], 1), digest([tmp_path / "a"], 2), digest([], 1)]
    (tmp_path / "a").write_bytes(b"2")
    assert len({*keys, digest([tmp_path / "a"], 1)}) == 4


def test_arrays_that_need_pickle_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_arrays(tmp_path / "a.npz", {"a": np.array([object()])})
    assert not list(tmp_path.iterdir())
