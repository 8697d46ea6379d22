import errno
from pathlib import Path

import cv2
import pytest
from films import make_noise

from microfacial.datasets.film_writer import CODECS, FilmWriter
from microfacial.datasets.video import scan_video
from microfacial.errors import ConfigError, DatasetError, StorageError


def write(path: Path) -> None:
    """Write seven frames."""
    with FilmWriter(path, path, 25.0) as writer:
        for frame in make_noise(7, 64):
            writer.write(frame)


@pytest.mark.parametrize("suffix", CODECS)
def test_all_frames_are_in_the_video(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    write(path)
    assert scan_video(path).count == 7


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_a_video_that_lacks_frames_is_refused(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"film{suffix}"

    class FullDisk:
        """Writes only the first frames, as OpenCV does without a message when the disk is full."""

        fourcc = staticmethod(cv2.VideoWriter.fourcc)

        def __init__(self, *arguments: object) -> None:
            self._writer, self._left = VideoWriter(*arguments), 3

        def write(self, frame: object) -> None:
            self._left -= 1
            if self._left >= 0:
                self._writer.write(frame)

        def __getattr__(self, name: str) -> object:
            return getattr(self._writer, name)

    VideoWriter = cv2.VideoWriter  # noqa: N806
    monkeypatch.setattr(cv2, "VideoWriter", FullDisk)
    with pytest.raises(StorageError, match="3 of 7"):
        write(path)


def test_a_video_that_cannot_be_opened_is_refused_with_its_rate(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with pytest.raises(StorageError, match="100000"), FilmWriter(path, path, 100_000.0) as writer:
        writer.write(make_noise(1, 64)[0])


def test_a_full_disk_is_named_if_a_video_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_disk(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "film.mp4"
    monkeypatch.setattr(Path, "write_bytes", fill_disk)
    with pytest.raises(StorageError, match=r"film\.mp4.*No space left"), FilmWriter(path, path, 100_000.0) as writer:
        writer.write(make_noise(1, 64)[0])


def test_a_name_that_is_not_a_video_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"film\.txt"):
        FilmWriter(tmp_path / "film.txt", tmp_path / "film.txt", 25.0)
    with pytest.raises(DatasetError, match="film"):
        FilmWriter(tmp_path / "film\udcff.mp4", tmp_path / "film.mp4", 25.0)


def test_an_avi_with_too_many_frames_per_second_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"2000.*\.mp4"):
        FilmWriter(tmp_path / "film.avi", tmp_path / "film.avi", 2000.0)
