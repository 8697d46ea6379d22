"""Messages of decoders."""

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from microfacial.datasets.decoders import call_decoder
from microfacial.datasets.image_files import read_image
from microfacial.errors import DatasetError


def test_a_call_returns_its_own_messages_only() -> None:
    def print_long() -> int:
        return os.write(2, b"a long message")

    assert call_decoder(Path("film.mp4"), print_long) == (14, "a long message")
    assert call_decoder(Path("film.mp4"), lambda: os.write(2, b"short")) == (5, "short")
    assert call_decoder(Path("film.mp4"), lambda: 0) == (0, "")


def test_messages_of_a_call_that_fails_are_not_those_of_the_next() -> None:
    def fail() -> None:
        os.write(2, b"lost")
        raise cv2.error("no picture")

    with pytest.raises(DatasetError, match="no picture"):
        call_decoder(Path("film.mp4"), fail)
    assert call_decoder(Path("film.mp4"), lambda: 0) == (0, "")


def test_a_forked_process_has_messages_of_its_own() -> None:
    call_decoder(Path("film.mp4"), lambda: os.write(2, b"before"))
    child = os.fork()
    if child == 0:
        _, messages = call_decoder(Path("film.mp4"), lambda: os.write(2, b"child"))
        os._exit(0 if messages == "child" else 1)
    _, messages = call_decoder(Path("film.mp4"), lambda: (os.write(2, b"parent"), os.waitpid(child, 0))[1])
    assert messages == "parent"


@pytest.mark.parametrize("name", ["OPENCV_FFMPEG_LOGLEVEL", "OPENCV_FFMPEG_CAPTURE_OPTIONS"])
def test_variables_that_silence_or_change_a_decoder_are_ignored(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "8")
    assert call_decoder(Path("film.mp4"), lambda: os.environ.get(name)) == (None, "")
    assert os.environ[name] == "8"


@pytest.fixture
def silent() -> Iterator[int]:
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    yield cv2.utils.logging.LOG_LEVEL_SILENT
    cv2.utils.logging.setLogLevel(level)


def test_a_damaged_tiff_is_refused_although_opencv_is_silent(silent: int, tmp_path: Path) -> None:
    path = tmp_path / "frame.tif"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8))
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    content[len(content) // 2 : len(content) // 2 + 60] ^= 0x5A
    path.write_bytes(content.tobytes())
    with pytest.raises(DatasetError, match="TIFF_Error"):
        read_image(path)
    assert cv2.utils.logging.getLogLevel() == silent
