"""Decode videos.

A video is always decoded from its first frame, because seeking lands on a wrong frame in many formats. Its frames are
counted by decoding them, because the metadata can be wrong. A damaged video raises an error.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import cv2

from microfacial.datasets.folders import translate_os_errors
from microfacial.errors import DatasetError
from microfacial.records import Image

VIDEO_EXTENSIONS = (".avi", ".gif", ".m4v", ".mov", ".mp4")


def count_frames(path: Path) -> int:
    """Return the number of frames that can be decoded from a video.

    Args:
        path: file of the video.

    Raises:
        DatasetError: the file is missing, truncated, damaged or not a video, or it has no frame.
    """
    count = sum(1 for _ in _grab(path))
    announced = int(_property(path, cv2.CAP_PROP_FRAME_COUNT))
    if not count and announced > 0:
        codec = int(_property(path, cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("ascii", "replace")
        raise DatasetError(
            f"{path}: none of its {announced} frames can be decoded (codec {codec}). Convert it, for example with "
            "`ffmpeg -i in.mp4 -c:v libx264 out.mp4`"
        )
    if not count:
        raise DatasetError(f"{path} is a video without frames. Record or convert it again")
    # An AVI lists all of its frames. Other formats may list frames that their edits leave out, or only a duration.
    if path.suffix.lower() == ".avi" and count < announced:
        raise DatasetError(f"{path} is damaged: only {count} of {announced} frames can be decoded. Copy it again")
    return count


def read_fps(path: Path) -> float | None:
    """Return the frame rate that a video's file gives.

    Args:
        path: file of the video.

    Returns:
        Frames per second; None if the file gives no rate.

    Raises:
        DatasetError: the file is missing, truncated or not a video.
    """
    fps = _property(path, cv2.CAP_PROP_FPS)
    return fps if fps > 0 else None


def read_times(path: Path) -> tuple[float, ...]:
    """Return the time of each frame of a video, in seconds from its first frame.

    Phones record with a variable frame rate, so the number of a frame divided by the mean rate is not its time.

    Args:
        path: file of the video.

    Returns:
        One time per frame, ascending. Without timestamps in the file, times follow from its frame rate.

    Raises:
        DatasetError: the file is missing, truncated or not a video.
    """
    stamps = [capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 for capture in _grab(path)]
    if any(later <= earlier for earlier, later in pairwise(stamps)):
        fps = read_fps(path)
        return tuple(number / fps for number in range(len(stamps))) if fps else ()
    return tuple(stamp - stamps[0] for stamp in stamps)


def read_video(path: Path, numbers: Iterable[int]) -> Iterator[tuple[int, Image]]:
    """Yield frames of a video in ascending order.

    Args:
        path: file of the video.
        numbers: numbers of the frames. The first frame is number 1.

    Yields:
        The number of a frame, and the frame, `(H, W, 3)` uint8, BGR.

    Raises:
        DatasetError: the file is missing, truncated, interlaced or not a video, or it lacks one of the frames.
    """
    remaining, number = set(numbers), 0
    for number, capture in enumerate(_grab(path) if remaining else (), 1):
        if number in remaining:
            remaining.remove(number)
            yield number, _retrieve(capture, path)
        if not remaining:
            return
    if remaining:
        raise DatasetError(
            f"{path} has no frame {min(remaining)}: it has frames 1–{number}, or it is damaged. "
            "Copy it again or correct the numbers"
        )


def _retrieve(capture: cv2.VideoCapture, path: Path) -> Image:
    """Return the frame at which a video is positioned.

    OpenCV cannot convert interlaced frames. It then returns True and the pixels of another picture, and FFmpeg prints a
    message. Only this message tells that the pixels are wrong, so the file descriptor of stderr is read meanwhile.
    """
    with TemporaryFile() as messages:
        stderr = os.dup(2)
        try:
            os.dup2(messages.fileno(), 2)
            decoded, image = capture.retrieve()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        messages.seek(0)
        text = messages.read()
    if b"interlaced" in text:
        raise DatasetError(
            f"{path} is an interlaced video, which cannot be decoded. Deinterlace it first, for example with "
            "`ffmpeg -i in.mp4 -vf yadif out.mp4`"
        )
    os.write(2, text)
    if not decoded:
        raise DatasetError(f"{path} is damaged: a frame cannot be decoded. Copy it again, or convert it to MP4")
    return image


def _grab(path: Path) -> Iterator[cv2.VideoCapture]:
    """Yield the open video once per frame, positioned at that frame. Stop at the first damaged frame."""
    capture = _open(path)
    try:
        while capture.grab():
            yield capture
    finally:
        capture.release()


def _property(path: Path, key: int) -> float:
    """Return one of OpenCV's properties of a video."""
    capture = _open(path)
    try:
        return float(capture.get(key))
    finally:
        capture.release()


def _open(path: Path) -> cv2.VideoCapture:
    """Open a video before its first frame. The caller releases it."""
    with translate_os_errors(path):
        if not path.is_file():
            raise DatasetError(f"no video {path}. Copy it again or correct the path")
        if _is_truncated(path):
            raise DatasetError(f"{path} is truncated: its end is missing. Copy it again")
    # Only FFmpeg rotates frames as the file demands on every system. An absolute path cannot be taken for a protocol.
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise DatasetError(f"{path} cannot be read as a video. Copy it again, or convert it to MP4")
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


_UNKNOWN_LENGTHS = (0, 2**32 - 1)  # a program that writes into a pipe cannot return to the start to fill in the length
_BOX_TYPES = frozenset(b"ftyp styp sidx moov moof mdat mfra free skip wide udta meta uuid".split())


def _is_truncated(path: Path) -> bool:
    """Return whether a file ends before the chunks that it announces. Decoders would show the rest without an error.

    An AVI is a sequence of RIFF chunks, an MP4 or MOV is a sequence of boxes, and a GIF ends with a semicolon.
    """
    size, end = path.stat().st_size, 0
    with path.open("rb") as stream:
        if stream.read(4) == b"GIF8":
            stream.seek(-1, 2)
            return stream.read(1) != b";"
        while 0 <= end < size:
            end = _chunk_end(stream, end, size)
    return size == 0 or end > size


def _chunk_end(stream: BinaryIO, start: int, size: int) -> int:
    """Return the announced end of the chunk at `start`, or the end of the file if it announces none."""
    stream.seek(start)
    head = stream.read(16)
    if head.startswith(b"RIFF"):
        length = int.from_bytes(head[4:8], "little")
        return size if length in _UNKNOWN_LENGTHS else start + 8 + length
    length, name = int.from_bytes(head[:4], "big"), head[4:8]
    if length == 1:  # the length follows the name, in eight bytes
        length = int.from_bytes(head[8:16], "big")
    return start + length if length >= 8 and name in _BOX_TYPES else size
