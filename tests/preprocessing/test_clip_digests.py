"""A clip whose stored crops or flow were altered or exchanged is refused, although type and shape are right."""

import hashlib
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microfacial.errors import StorageError
from microfacial.files import read_json
from microfacial.preprocessing.clip_digests import array_digest
from microfacial.preprocessing.store import read_features

ARRAYS = ("flow/flow.npy", "faces/crops.npy")


@pytest.fixture
def results(tmp_path: Path, computed: Path) -> Path:
    """Return a copy of computed results."""
    return Path(shutil.copytree(computed / "results" / "tiny", tmp_path / "results"))


def open_array(path: Path) -> "np.memmap[Any, np.dtype[Any]]":
    array: np.memmap[Any, np.dtype[Any]] = np.load(path, mmap_mode="r+")
    return array


def test_the_digest_is_blake2b_of_the_bytes() -> None:
    array = np.arange(6, dtype=np.float16).reshape(2, 3)
    assert array_digest(array) == hashlib.blake2b(array.tobytes(), digest_size=8).hexdigest()
    assert array_digest(array.T) == hashlib.blake2b(array.T.tobytes(), digest_size=8).hexdigest()


@pytest.mark.parametrize("name", ARRAYS)
def test_each_clip_has_the_digest_of_its_rows(results: Path, name: str) -> None:
    digests = read_json((results / name).with_name("digests.json"))
    clips = read_features(results)[0].clips
    assert digests == {clip: array_digest(rows) for clip, rows in zip(clips, np.load(results / name), strict=True)}


@pytest.mark.parametrize("name", ARRAYS)
def test_exchanged_rows_are_refused(results: Path, name: str) -> None:
    clips, array = read_features(results)[0].clips, open_array(results / name)
    array[[1, 4]] = array[[4, 1]]
    array.flush()
    with pytest.raises(StorageError, match=rf"{name} is damaged \({clips[1]} has the content of {clips[4]}\)"):
        read_features(results)


@pytest.mark.parametrize("name", ARRAYS)
def test_one_altered_number_is_refused_with_its_clip(results: Path, name: str) -> None:
    clip, array = read_features(results)[0].clips[2], open_array(results / name)
    array[2].flat[5] += 1
    array.flush()
    with pytest.raises(StorageError, match=rf"{name} is damaged \({clip} "):
        read_features(results)


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_earlier_versions_are_read_with_a_warning(
    results: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = (results / name).with_name("digests.json")
    file.unlink()
    with caplog.at_level(logging.WARNING, "microfacial"):
        read_features(results)
    assert [str(file) in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("content", ["", "[]", "{}", '{"a": 1}', '{"a": "0"}'])
def test_damaged_digests_are_refused(results: Path, name: str, content: str) -> None:
    file = (results / name).with_name("digests.json")
    file.write_text(content)
    with pytest.raises(StorageError, match=str(file)):
        read_features(results)


@pytest.mark.parametrize("name", ARRAYS)
def test_digests_with_a_missing_clip_are_refused(results: Path, name: str) -> None:
    file = (results / name).with_name("digests.json")
    digests = json.loads(file.read_text())
    clip = next(iter(digests))
    del digests[clip]
    file.write_text(json.dumps(digests))
    with pytest.raises(StorageError, match=clip):
        read_features(results)
