"""Arrays that are too large for the memory are in temporary files, with the same numbers."""

import fcntl
import gc
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from joblib import delayed
from numpy.typing import NDArray
from test_disk import file_size_limit

from microfacial import disk
from microfacial.disk import empty_array, split_rows, stack_rows, take_rows
from microfacial.errors import StorageError
from microfacial.evaluation.folds import train_chunk
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.models import MODELS
from microfacial.models.lookup import Model
from microfacial.records import Fitted, Samples, TrainingData
from microfacial.settings import Section
from microfacial.training.fit import Watch, fit
from microfacial.workers import make_parallel

LIMIT = 1000  # bytes; larger arrays are in files
ROW = 64  # bytes of a row in these tests


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of temporary files, where arrays of more than `LIMIT` bytes are."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(disk, "_MEMORY_BYTES", LIMIT)
    monkeypatch.setattr(disk, "_BLOCK_BYTES", 3 * ROW)
    return folder


def numbers(rows: int) -> NDArray[np.float32]:
    return np.arange(16 * rows, dtype=np.float32).reshape(rows, 4, 4)


def square_first(array: NDArray[np.float32]) -> tuple[float, list[str]]:
    files = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "-array-" in line]
    return float(array[1, 0, 0]) ** 2, files


def test_a_small_array_is_in_memory_and_a_large_one_in_a_file(scratch: Path) -> None:
    small, large = (empty_array((rows, 4, 4), np.float32, shared=True) for rows in (LIMIT // ROW, 100))
    assert not isinstance(small, np.memmap)
    (file,) = scratch.iterdir()
    assert file.stat().st_size == large.nbytes
    assert large.shape == (100, 4, 4)
    assert large.dtype == np.float32


@pytest.mark.parametrize("count", [5, 100])
def test_rows_are_the_same_in_memory_and_in_a_file(scratch: Path, count: int) -> None:
    array, rows = numbers(100), np.random.default_rng(0).permutation(100)[:count]
    assert np.array_equal(take_rows(array, rows), array[rows])
    assert np.array_equal(stack_rows(iter(array[:count]), count), array[:count])
    assert take_rows(array, rows).flags.c_contiguous


def test_a_row_that_does_not_exist_is_an_error(scratch: Path) -> None:
    with pytest.raises(IndexError):
        take_rows(numbers(100), np.arange(101))
    gc.collect()
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("count", [0, 1, 3, 7])
def test_slices_contain_each_row_once(scratch: Path, count: int) -> None:
    slices = list(split_rows(numbers(9), count))
    assert [row for rows in slices for row in range(count)[rows]] == list(range(count))
    assert all(rows.stop - rows.start <= 3 for rows in slices)


def test_the_file_is_deleted_with_the_last_view_of_the_array(scratch: Path) -> None:
    view = np.ascontiguousarray(empty_array((100, 4, 4), np.float32, shared=True))[20:30]
    gc.collect()
    assert len(list(scratch.iterdir())) == 1
    view[:] = 1
    del view
    gc.collect()
    assert not list(scratch.iterdir())


def test_files_of_killed_processes_are_deleted_and_others_are_kept(scratch: Path) -> None:
    dead, living, other = (scratch / name for name in ("microfacial-array-1", "microfacial-array-2", "notes"))
    for file in (dead, living, other):
        file.write_bytes(b"1")
        os.utime(file, (0, 0))
    new = scratch / "microfacial-array-3"  # may not be locked yet
    new.write_bytes(b"1")
    with living.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        first, second = (empty_array((100, 4, 4), np.float32, shared=True) for _ in range(2))
    assert not dead.exists()
    assert {living, other, new} < set(scratch.iterdir())
    assert len(list(scratch.iterdir())) == 5
    assert first.base is not second.base


def test_an_array_of_one_process_has_no_name_that_could_outlive_it(scratch: Path) -> None:
    array = take_rows(numbers(100), np.arange(100))
    assert isinstance(array, np.memmap)
    assert not list(scratch.iterdir())
    array[:] = 1
    assert (array == 1).all()


def test_files_are_in_the_folder_for_large_files_if_it_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(disk, "_LARGE_FILES", tmp_path / "large")
    assert disk._scratch_folder() == tmp_path
    (tmp_path / "large").mkdir()
    assert disk._scratch_folder() == tmp_path / "large"
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert disk._scratch_folder() == tmp_path


@pytest.mark.parametrize("shared", [True, False])
def test_a_full_disk_is_one_line_and_leaves_no_file(scratch: Path, shared: bool) -> None:
    with file_size_limit(2 * LIMIT), pytest.raises(StorageError, match=str(scratch)):
        empty_array((1000, 4, 4), np.float32, shared=shared)
    assert not list(scratch.iterdir())


@pytest.mark.slow  # starts processes
def test_worker_processes_share_the_file(scratch: Path) -> None:
    array = stack_rows(iter(numbers(100)), 100)
    (file,) = map(str, scratch.iterdir())
    for value, files in make_parallel(2)(delayed(square_first)(array) for _ in range(2)):
        assert value == 16.0**2
        assert files == [file]


@pytest.mark.parametrize("model", ["roi_cnn", "linear_svm"])
def test_folds_are_the_same_with_inputs_in_files(scratch: Path, samples: Samples, model: str) -> None:
    settings = MODELS[model].settings.model_validate(
        {"input_px": 16, "widths": [8, 8, 8, 8], "epochs": 3, "early_stopping": True, "test_time_flip": True}
        if model == "roi_cnn"
        else {"c_values": [0.01, 0.1], "inner_folds": 2}
    )
    plans = tuple(plan_folds(samples, TrainConfig(protocol="composite", bootstrap_draws=100))[:2])

    def fit_from_files(
        chunk: Sequence[TrainingData], *, model: Model, settings: Section, watch: Watch | None
    ) -> list[Fitted]:
        assert all(isinstance(data.samples.inputs, np.memmap) for data in chunk)
        return fit(chunk, model=model, settings=settings, watch=watch)

    in_files = train_chunk(samples, plans, model, settings, fit=fit_from_files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "_MEMORY_BYTES", 2**30)
        patch.setattr(disk, "_BLOCK_BYTES", 2**30)
        in_memory = train_chunk(samples, plans, model, settings)
    for one, other in zip(in_files, in_memory, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)  # the scale is summed in blocks
    gc.collect()
    assert not list(scratch.iterdir())
