"""Any content of files and folders gives frames or a MicrofacialError of one line that names the file."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import texture
from microfacial.datasets.frames import open_clip, stream_recording
from microfacial.datasets.image_files import read_image
from microfacial.errors import MicrofacialError

T = TypeVar("T")

VIDEOS = Path(__file__).with_name("videos")
VIDEO_SAMPLES = {path.suffix: path.read_bytes() for path in sorted(VIDEOS.iterdir()) if path.suffix != ".sh"}
IMAGE_EXTENSIONS = (".bmp", ".gif", ".jpg", ".png", ".tif", ".webp")
IMAGE_SAMPLES = {extension: cv2.imencode(extension, texture(24, 32))[1].tobytes() for extension in IMAGE_EXTENSIONS}
SAMPLES = {".gif": IMAGE_SAMPLES[".gif"], **VIDEO_SAMPLES}


@st.composite
def contents(draw: st.DrawFn, samples: dict[str, bytes]) -> tuple[str, bytes]:
    """Draw an extension and content: any bytes, or a sample that was cut, overwritten or given another extension."""
    extension = draw(st.sampled_from(sorted(samples)))
    if draw(st.booleans()):
        return extension, draw(st.binary(max_size=200))
    content = bytearray(samples[draw(st.sampled_from([extension, *sorted(samples)]))])
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(content) - 1))
        patch = draw(st.binary(max_size=8))
        content[place : place + len(patch)] = patch
    return extension, bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


def result_or_reason(call: Callable[[], T]) -> T | str:
    """Return the result of a call, or the reason for which it was refused."""
    try:
        return call()
    except MicrofacialError as error:
        return str(error)


def check_frame(frame: object) -> None:
    assert isinstance(frame, np.ndarray)
    assert frame.dtype == np.uint8
    assert frame.ndim == 3
    assert frame.shape[2] == 3


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(contents(IMAGE_SAMPLES))
def test_any_image_file_is_a_frame_or_an_error(drawn: tuple[str, bytes]) -> None:
    extension, content = drawn
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"img1{extension}"
        path.write_bytes(content)
        result = result_or_reason(lambda: read_image(path))
        if isinstance(result, str):
            assert str(path) in result
            assert "\n" not in result
        else:
            check_frame(result)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(contents(SAMPLES))
def test_any_video_file_gives_frames_with_ascending_times_or_an_error(drawn: tuple[str, bytes]) -> None:
    extension, content = drawn
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip{extension}"
        path.write_bytes(content)
        frames = result_or_reason(lambda: list(stream_recording(open_clip(path))))
        if isinstance(frames, str):
            assert str(path) in frames
            assert "\n" not in frames
            return
        assert [frame.number for frame in frames] == list(range(1, len(frames) + 1))
        seconds = [frame.seconds for frame in frames if frame.seconds is not None]
        assert seconds == sorted(set(seconds))
        assert len(seconds) in (0, len(frames))
        for frame in frames:
            check_frame(frame.image)


NAMES = st.one_of(
    st.sampled_from(["img", "a{}", "{:03d}", ".", "-", "1_"]),
    st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), max_size=12),
)
NUMBERS = st.one_of(
    st.integers(0, 30).map(str), st.integers(0, 30).map("{:03d}".format), st.integers(0).map(str), NAMES
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    prefix=NAMES,
    numbers=st.lists(NUMBERS, max_size=4),
    extension=st.sampled_from([".png", ".PNG", ".jpg", ".txt", ""]),
    other=st.one_of(st.none(), NAMES),
    damaged=st.booleans(),
)
def test_any_folder_gives_its_frames_or_an_error(
    prefix: str, numbers: list[str], extension: str, other: str | None, damaged: bool
) -> None:
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "frames"
        folder.mkdir()
        for name in (*(f"{prefix}{number}{extension}" for number in numbers), *([other] if other else [])):
            if name not in ("", ".", "..") and len(name.encode()) < 250:
                (folder / name).write_bytes(b"damaged" if damaged else IMAGE_SAMPLES[".png"])
        frames = result_or_reason(lambda: list(stream_recording(open_clip(folder))))
        if isinstance(frames, str):
            assert str(folder) in frames
            return
        assert not damaged
        assert [frame.number for frame in frames] == sorted({frame.number for frame in frames})
        assert {frame.image.shape for frame in frames} == {(24, 32, 3)}
