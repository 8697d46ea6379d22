"""Read the frames of a clip, from images in a folder or from a video.

A frame is `(H, W, 3)` uint8, BGR, and upright: it is rotated as its file demands. A file that cannot be read correctly
raises an error: truncated images and videos, images with transparent pixels, and 16-bit images that hold unscaled 10-
to 14-bit levels. Changed bytes in a file of full length can remain unnoticed, because decoders hide them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.decoders import call_decoder, find_fault, pass_on
from microfacial.datasets.folders import (
    find_frames,
    find_pattern,
    list_folder,
    require_frame,
    translate_os_errors,
)
from microfacial.datasets.image_files import LARGEST_IMAGE_BYTES, check_image_size
from microfacial.datasets.limits import check_frame_count
from microfacial.datasets.video import VIDEO_EXTENSIONS, read_video, scan_video
from microfacial.errors import DatasetError
from microfacial.files import digest
from microfacial.records import FRAME_NUMBER, Image, frame_path

_IMAGE_EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff")


class Footage(Protocol):
    """Frames on disk: a `Clip` or a `Recording`."""

    @property
    def frames(self) -> str:
        """Path below a root: of a frame, with `{}` or `{:05d}` at its number, or of a video."""
        ...

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the frames, ascending. The first frame of a video is number 1."""
        ...


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A video or a folder of frames from outside the data sets.

    Attributes:
        root: folder that `frames` starts from.
        frames: path below `root`, as in `Clip.frames`.
        numbers: numbers of the frames, ascending. The first frame of a video is number 1.
        fps: frames per second; None if the files give no rate. The mean rate if a video's rate varies.
        seconds: time of each frame, in seconds from the first frame; empty if the files give no times.
    """

    root: Path
    frames: str
    numbers: tuple[int, ...]
    fps: float | None
    seconds: tuple[float, ...] = ()


class TimedFrame(NamedTuple):
    """One frame of a recording.

    Attributes:
        number: number of the frame.
        seconds: time from the first frame; None if it is unknown.
        image: the frame, `(H, W, 3)` uint8, BGR.
    """

    number: int
    seconds: float | None
    image: Image


# --- clips ------------------------------------------------------------------------------------------------------------


def read_frames(clip: Footage, root: Path, numbers: Iterable[int]) -> dict[int, Image]:
    """Read frames of one clip.

    Args:
        clip: clip or recording.
        root: folder that the path in `clip.frames` starts from.
        numbers: numbers of the frames, in any order.

    Returns:
        Frames of one size by number, ascending, each `(H, W, 3)` uint8, BGR.

    Raises:
        DatasetError: a frame is missing or unreadable, or its size differs from the size of the first frame.
    """
    return dict(stream_clip(clip, root, numbers))


def stream_clip(clip: Footage, root: Path, numbers: Iterable[int]) -> Iterator[tuple[int, Image]]:
    """Yield frames of one clip one by one. Use it for clips that do not fit into memory.

    Args:
        clip: clip or recording.
        root: folder that the path in `clip.frames` starts from.
        numbers: numbers of the frames, in any order.

    Yields:
        The number of a frame, ascending, and the frame, `(H, W, 3)` uint8, BGR.

    Raises:
        DatasetError: a frame is missing or unreadable, or its size differs from the size of the first frame.
    """
    ascending = sorted(set(numbers))
    images = ((number, read_image(root / frame_path(clip.frames, number))) for number in ascending)
    first: tuple[int, Image] | None = None
    for number, image in read_video(root / clip.frames, ascending) if _is_video(clip) else images:
        first = first or (number, image)
        if image.shape != first[1].shape:
            size, first_size = (f"{shape[1]}×{shape[0]}" for shape in (image.shape, first[1].shape))
            raise DatasetError(
                f"{root / frame_path(clip.frames, number)} is {size}, but frame {first[0]} of its clip is "
                f"{first_size}. Re-extract the clip or list it under clips.exclude"
            )
        yield number, image


def frame_times(recording: Recording, fps: float | None = None) -> dict[int, float]:
    """Return the time of each frame of a recording.

    Args:
        recording: the recording.
        fps: frames per second. None means the timestamps of a video.

    Returns:
        Seconds from the first frame, by frame number. Empty for a folder of frames if `fps` is None, because its files
        have no timestamps. Numbers that are missing in a folder do not count as time.
    """
    if fps is not None:
        return {number: index / fps for index, number in enumerate(recording.numbers)}
    return dict(zip(recording.numbers, recording.seconds, strict=True)) if recording.seconds else {}


def stream_recording(recording: Recording, fps: float | None = None) -> Iterator[TimedFrame]:
    """Yield all frames of a recording one by one, with their times. Only one frame is in memory at a time.

    Args:
        recording: the recording.
        fps: see `frame_times`.

    Raises:
        DatasetError: see `stream_clip`.
    """
    times = frame_times(recording, fps)
    for number, image in stream_clip(recording, recording.root, recording.numbers):
        yield TimedFrame(number, times.get(number), image)


def frame_files(clip: Footage, root: Path, numbers: Iterable[int]) -> list[Path]:
    """Return the files that hold frames of a clip.

    Args:
        clip: clip or recording.
        root: folder that the path in `clip.frames` starts from.
        numbers: numbers of the frames.

    Returns:
        One file per frame in the order of `numbers`, or the video alone.

    Raises:
        DatasetError: a file is missing.
    """
    if _is_video(clip):
        return [require_frame(root / clip.frames)]
    return [require_frame(root / frame_path(clip.frames, number)) for number in numbers]


def digest_frames(clip: Footage, root: Path) -> str:
    """Return a short SHA-256 over the bytes of all frames of a clip, or of its video.

    Args:
        clip: clip or recording.
        root: folder that the path in `clip.frames` starts from.

    Returns:
        The first 16 hexadecimal digits.

    Raises:
        DatasetError: a file is missing.
    """
    return digest(frame_files(clip, root, clip.numbers))


def open_clip(path: Path) -> Recording:
    """Find the frames of a video or of a folder. The last integer in a file name is the number of the frame.

    Args:
        path: video or folder of frames.

    Returns:
        The recording, with the numbers of all frames.

    Raises:
        DatasetError: there are no frames, the folder mixes two patterns of names, or the video is damaged.
    """
    if path.is_dir():
        extensions = {file.suffix for file in list_folder(path) if file.suffix.lower() in _IMAGE_EXTENSIONS}
        pattern = find_pattern(path, tuple(sorted(extensions)), default="") if extensions else ""
        if not pattern:
            raise DatasetError(f"{path} has no frames, such as img1.jpg. Give the path of a folder of frames")
        numbers = find_frames(path, pattern)
        check_frame_count(path, len(numbers))
        return Recording(root=path, frames=pattern, numbers=numbers, fps=None)
    if path.suffix.lower() not in VIDEO_EXTENSIONS:
        raise DatasetError(
            f"{path} is neither a folder of frames nor a video ({', '.join(VIDEO_EXTENSIONS)}). Correct the path"
        )
    facts = scan_video(path)
    numbers = tuple(range(1, facts.count + 1))
    return Recording(root=path.parent, frames=path.name, numbers=numbers, fps=facts.fps, seconds=facts.seconds)


def _is_video(clip: Footage) -> bool:
    """Return whether the frames are those of a video."""
    return FRAME_NUMBER.search(clip.frames) is None and Path(clip.frames).suffix.lower() in VIDEO_EXTENSIONS


# --- images -----------------------------------------------------------------------------------------------------------

_LEAST_16_BIT_LEVEL = 1 << 14  # a 16-bit image whose levels are all lower holds 10-, 12- or 14-bit levels, unscaled
_TO_8_BITS = np.rint(np.arange(1 << 16) / 257).astype(np.uint8)  # 65535 becomes 255


def read_image(path: Path) -> Image:
    """Read an image.

    Args:
        path: file of the image.

    Returns:
        The image, `(H, W, 3)` uint8, BGR. 16-bit levels are scaled to 8 bits.

    Raises:
        DatasetError: the file is missing, truncated, unreadable or not an image, has transparent pixels, or has levels
            of neither 8 nor full 16 bits.
    """
    with translate_os_errors(path):
        if require_frame(path).stat().st_size > LARGEST_IMAGE_BYTES:
            raise DatasetError(
                f"{path} is larger than {LARGEST_IMAGE_BYTES / 1e6:.0f} MB. Make its frames smaller or crop them"
            )
        content = path.read_bytes()
    check_image_size(path, content)
    image = _decode(path, content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    levels = _scale_to_8_bit(image, path)
    if not content.startswith(b"\xff\xd8"):  # a JPEG cannot be transparent
        _check_opaque(content, path)
    return levels


def _decode(path: Path, content: bytes, flags: int) -> NDArray[Any]:
    """Return an image. Refuse bytes that are truncated, damaged or not an image."""
    image: NDArray[Any] | None
    image, messages = call_decoder(path, lambda: cv2.imdecode(np.frombuffer(content, np.uint8), flags))
    fault = find_fault(messages)
    if image is None or fault:
        raise DatasetError(
            f"{path} cannot be read as an image{f' ({fault})' if fault else ''}. "
            "Re-extract the clip or list it under clips.exclude"
        )
    pass_on(messages)
    return image


def _check_opaque(content: bytes, path: Path) -> None:
    """Refuse an image with transparent pixels, because their colours have no meaning."""
    image = _decode(path, content, cv2.IMREAD_UNCHANGED)
    if image.shape[2:] == (4,) and np.any(image[..., 3] != np.iinfo(image.dtype).max):
        raise DatasetError(f"{path} has transparent pixels. Save it without transparency")


def _scale_to_8_bit(image: NDArray[Any], path: Path) -> Image:
    """Return the image with 8-bit levels. Refuse an image whose range of levels is unclear."""
    if image.dtype == np.uint8:
        return image
    if image.dtype != np.uint16:
        raise DatasetError(f"{path} has levels of type {image.dtype}, neither 8 nor 16 bits. Save it with 8 bits")
    brightest = int(image.max())
    if brightest < _LEAST_16_BIT_LEVEL:
        raise DatasetError(
            f"{path} has 16 bits but no level above {brightest}: it seems to hold {brightest.bit_length()}-bit levels. "
            "Scale all frames to 8 bits by the same factor"
        )
    return _TO_8_BITS[image]
