"""Videos of common writers are read, and damaged ones are refused. `videos/draw.sh` drew the videos."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from microfacial.datasets.frames import frame_times, open_clip, require_fps, stream_recording
from microfacial.datasets.video import read_video, scan_video
from microfacial.datasets.video_files import count_avi_frames, is_truncated
from microfacial.errors import DatasetError

VIDEOS = Path(__file__).with_name("videos")
EVEN = (0.0, 0.04, 0.08, 0.12, 0.16, 0.20)
UNEVEN = (0.0, 0.03, 0.09, 0.21, 0.25)
WRITERS = {
    "bidirectional.avi": EVEN,
    "dash.mp4": EVEN,
    "faststart.mp4": EVEN,
    "fragmented.mp4": EVEN,
    "late.mkv": EVEN,
    "late.mp4": EVEN,
    "piped.avi": EVEN,
    "piped.mkv": EVEN,
    "piped.webm": EVEN,
    "variable.mkv": UNEVEN,
    "variable.mp4": UNEVEN,
}


def number_of(frame: NDArray[np.uint8]) -> int:
    """Return the number of a drawn frame, from its grey level."""
    return round((float(frame.mean()) - 20) / 15) + 1


def refuse(path: Path) -> str:
    """Return the reason for which all readers refuse a video. It names the video and takes one line."""
    reasons = []
    for read in (open_clip, lambda path: list(read_video(path, [1]))):
        with pytest.raises(DatasetError) as raised:
            read(path)
        reasons.append(str(raised.value))
        assert reasons[-1].startswith(f"{path}")
        assert "\n" not in reasons[-1]
    return reasons[0]


def test_each_drawn_video_has_a_test() -> None:
    assert {path.name for path in VIDEOS.iterdir()} == {*WRITERS, "av1.mp4", "interlaced.mp4", "draw.sh"}


@pytest.mark.parametrize("name", WRITERS)
def test_frames_of_common_writers_are_read_in_order_with_their_own_times(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    recording = open_clip(VIDEOS / name)
    frames = list(stream_recording(recording))
    assert [frame.number for frame in frames] == list(range(1, len(WRITERS[name]) + 1))
    assert [number_of(frame.image) for frame in frames] == [frame.number for frame in frames]
    assert [frame.seconds for frame in frames] == pytest.approx(WRITERS[name])
    assert recording.fps == pytest.approx(25.0 if WRITERS[name] is EVEN else 4 / 0.25)
    assert capfd.readouterr().err == ""


def test_a_given_rate_replaces_the_times_of_a_video() -> None:
    recording = open_clip(VIDEOS / "variable.mp4")
    assert list(frame_times(recording, 100.0).values()) == pytest.approx([0.0, 0.01, 0.02, 0.03, 0.04])
    assert next(iter(stream_recording(recording, 100.0)))[:2] == (1, 0.0)


def test_av1_is_decoded_or_its_codec_is_named() -> None:
    """Whether AV1 can be decoded depends on the processor and on OpenCV."""
    path = VIDEOS / "av1.mp4"
    try:
        outcome = f"{scan_video(path).count} frames"
    except DatasetError as error:
        outcome = str(error)
    assert outcome.startswith(("6 frames", f"{path}: none of its 6 frames can be decoded (codec AV01"))


def test_an_interlaced_video_is_refused_with_a_remedy(capfd: pytest.CaptureFixture[str]) -> None:
    """OpenCV returns True and pixels of another picture for its frames."""
    assert "yadif" in refuse(VIDEOS / "interlaced.mp4")
    assert capfd.readouterr().err == ""


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("lost_bytes", [2, 7, 30])
def test_a_video_without_its_last_bytes_is_refused(tmp_path: Path, name: str, lost_bytes: int) -> None:
    """No index and no length is necessary for this: a frame that has lost its end is enough."""
    path = tmp_path / name
    path.write_bytes((VIDEOS / name).read_bytes()[:-lost_bytes])
    assert is_truncated(path)
    refuse(path)


def test_bytes_after_the_end_of_a_video_do_not_matter(tmp_path: Path) -> None:
    for name in ("late.mkv", "faststart.mp4"):
        (tmp_path / name).write_bytes((VIDEOS / name).read_bytes() + b"\x42appended by a backup")
        assert scan_video(tmp_path / name).count == 6


def test_fragments_that_repeat_the_same_header_are_one_film(tmp_path: Path) -> None:
    content = (VIDEOS / "dash.mp4").read_bytes()
    start, end = (content.index(name) - 4 for name in (b"moov", b"moof"))
    second = content.index(b"moof", end + 8) - 4
    (tmp_path / "a.mp4").write_bytes(content[:second] + content[start:end] + content[second:])
    assert scan_video(tmp_path / "a.mp4").count == scan_video(VIDEOS / "dash.mp4").count


@pytest.mark.parametrize("names", [("faststart.mp4", "late.mp4"), ("fragmented.mp4", "fragmented.mp4")])
def test_two_films_in_one_file_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    """Decoders show only the first."""
    (tmp_path / "joined.mov").write_bytes(b"".join((VIDEOS / name).read_bytes() for name in names))
    assert "two films" in refuse(tmp_path / "joined.mov")


@pytest.mark.parametrize(
    ("name", "place"), [("faststart.mp4", 1620), ("late.mkv", 1300), ("piped.webm", 380), ("piped.avi", 1360)]
)
def test_a_video_with_overwritten_frames_is_refused(tmp_path: Path, name: str, place: int) -> None:
    """Decoders fill such frames with other pixels and return True."""
    content = bytearray((VIDEOS / name).read_bytes())
    content[place : place + 12] = bytes(range(200, 212))
    (tmp_path / name).write_bytes(content)
    assert not is_truncated(tmp_path / name)
    with pytest.raises(DatasetError) as raised:
        scan_video(tmp_path / name)
    assert str(tmp_path / name) in str(raised.value)


def test_repeated_frames_of_an_avi_do_not_count(tmp_path: Path) -> None:
    """Writers mark a repeated frame by an empty chunk. Decoders leave it out."""
    path = VIDEOS / "piped.avi"
    assert count_avi_frames(path) == 6
    content = path.read_bytes()
    place = content.index(b"00dc")
    (tmp_path / "a.avi").write_bytes(content[:place] + b"00dc" + bytes(4) + content[place:])
    assert count_avi_frames(tmp_path / "a.avi") == 6
    assert scan_video(tmp_path / "a.avi").count == 6


@pytest.mark.parametrize("name", ["a.avi", "a.gif", "a.mkv", "a.mp4", "a.webm"])
@pytest.mark.parametrize("content", [b"", b"no video", bytes(5000), b"\xff" * 5000], ids=["empty", "text", "0", "255"])
def test_a_file_of_other_content_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    refuse(tmp_path / name)


def test_a_sound_file_and_a_folder_are_not_videos(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(DatasetError, match=r"folder\.mp4"):
        scan_video(tmp_path / "folder.mp4")
    (tmp_path / "a.avi").write_bytes(b"RIFF\x2c\0\0\0WAVEfmt " + bytes(32))
    refuse(tmp_path / "a.avi")


def test_closing_a_recording_early_leaves_no_decoder_open(monkeypatch: pytest.MonkeyPatch) -> None:
    captures: list[cv2.VideoCapture] = []
    open_capture = cv2.VideoCapture

    def record(*arguments: Any) -> cv2.VideoCapture:
        captures.append(open_capture(*arguments))
        return captures[-1]

    monkeypatch.setattr(cv2, "VideoCapture", record)
    frames = stream_recording(open_clip(VIDEOS / "late.mp4"))
    next(frames)
    assert [capture.isOpened() for capture in captures] == [False, True]
    del frames
    assert not captures[1].isOpened()


@pytest.mark.parametrize(
    "text",
    ["ffconcat version 1.0\nfile other.mp4\n", "#EXTM3U\n#EXTINF:1,\nother.mp4\n", "http://example.org/a.mp4", "ü ä"],
)
def test_a_text_file_is_not_a_video_and_leads_to_no_other_file(tmp_path: Path, text: str) -> None:
    """FFmpeg would follow a playlist."""
    (tmp_path / "other.mp4").write_bytes((VIDEOS / "fragmented.mp4").read_bytes())
    (tmp_path / "a.mp4").write_text(text)
    assert "text file" in refuse(tmp_path / "a.mp4")


@pytest.mark.parametrize("name", ["a%03d b?c#d.mp4", "-i.mp4", "file:a.mp4", "Bär 1.mp4", "a\nb.mp4"])
def test_any_name_of_a_video_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes((VIDEOS / "faststart.mp4").read_bytes())
    assert open_clip(tmp_path / name).numbers == (1, 2, 3, 4, 5, 6)


def test_a_name_with_the_placeholder_of_frame_numbers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a{}.mp4").write_bytes((VIDEOS / "faststart.mp4").read_bytes())
    with pytest.raises(DatasetError, match="Rename"):
        open_clip(tmp_path / "a{}.mp4")


def test_the_rate_of_a_recording_is_its_own_or_the_given_one() -> None:
    recording = open_clip(VIDEOS / "variable.mp4")
    assert require_fps(recording) == pytest.approx(16.0)
    assert require_fps(recording, 30.0) == 30.0
    for fps in (0.999, 100_001.0, math.nan, math.inf):
        with pytest.raises(DatasetError, match=str(fps)):
            require_fps(recording, fps)
    with pytest.raises(DatasetError, match="--fps"):
        require_fps(replace(recording, fps=None))
