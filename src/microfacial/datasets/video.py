"""Decode videos.

A video is always decoded from its first frame, because seeking lands on a wrong frame in many formats. Its frames are
counted by decoding them, because the metadata can be wrong. A damaged video raises an error.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from microfacial.datasets.decoders import call_decoder, find_damage_message, pass_on
from microfacial.datasets.folders import require_unicode, translate_os_errors
from microfacial.datasets.limits import GREATEST_FPS, LEAST_FPS, MOST_FRAMES, check_frame_count, check_frame_size
from microfacial.datasets.video_clock import VideoClock, choose_rate, find_usual_step, repeat_often
from microfacial.datasets.video_files import count_avi_frames, find_file_fault
from microfacial.datasets.video_headers import find_frame_size, find_mirror
from microfacial.errors import DatasetError
from microfacial.records import Image

VIDEO_EXTENSIONS = (".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
_DECODER_THREADS = 1  # others print messages at any time, so a fault could go unnoticed
_PIXEL_TOLERANCE = 0.01  # encoders round the shape of a pixel
_WIDEST_PIXEL = 4.0  # times as wide as high, or as high as wide; those of cameras and tapes are below 2
_RATE_TOLERANCE = 0.01  # between the rate in the header and the rate of the timestamps


@dataclass(frozen=True, kw_only=True)
class VideoFacts:
    """Frames of a video, found by decoding all of them.

    Attributes:
        count: number of frames.
        seconds: time of each frame, in seconds from the first frame. Empty if the file gives no times.
        fps: frames per second; None if the file gives no rate from `LEAST_FPS` to `GREATEST_FPS`. The mean rate if
            the rate varies.
    """

    count: int
    seconds: tuple[float, ...]
    fps: float | None


def scan_video(path: Path, most_frames: int | None = None, most_px: int | None = None) -> VideoFacts:
    """Decode a video once. Count its frames, and read their timestamps.

    Phones record with a variable frame rate, so the number of a frame divided by the mean rate is not its time.

    Args:
        path: file of the video.
        most_frames: limit of the number of frames. None means `limits.MOST_FRAMES`.
        most_px: limit of the pixels of a frame. None means `limits.LARGEST_FRAME_PX`.

    Returns:
        Facts about the frames. Without timestamps in the file, times follow from its frame rate.

    Raises:
        DatasetError: the file is missing, truncated, damaged, interlaced or not a video, it has no frame, or its
            frames are too many or too large.
    """
    stamps: list[float] = []
    with open_video(path, most_px) as video:
        header_fps, announced = video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT)
        while video.grab():
            stamps.append(video.get(cv2.CAP_PROP_POS_MSEC) / 1000)
            check_frame_count(path, len(stamps), most_frames)
            if len(stamps) == 1:
                video.retrieve()  # refuses an interlaced video
        if not stamps:
            raise DatasetError(f"{path}: {video.explain_absence(announced)}")
    check_complete(path, len(stamps), announced)
    return _make_facts(stamps, header_fps)


def count_frames(path: Path) -> int:
    """Return the number of frames that can be decoded from a video.

    Args:
        path: file of the video.

    Raises:
        DatasetError: see `scan_video`.
    """
    return scan_video(path).count


def read_video(path: Path, numbers: Iterable[int]) -> Iterator[tuple[int, Image]]:
    """Yield frames of a video in ascending order. Only one frame is in memory at a time.

    Args:
        path: file of the video.
        numbers: numbers of the frames. The first frame is number 1.

    Yields:
        The number of a frame, and the frame, `(H, W, 3)` uint8, BGR.

    Raises:
        DatasetError: the file is missing, truncated, damaged, interlaced or not a video, it lacks one of the frames, or
            its frames are too large.
    """
    remaining, number = set(numbers), 0
    if not remaining:
        return
    with open_video(path) as video:
        while remaining and video.grab():
            number += 1
            if number in remaining:
                remaining.remove(number)
                yield number, video.retrieve()
    if remaining:
        raise DatasetError(
            f"{path} has no frame {min(remaining)}: it has frames 1–{number}, or it is damaged. "
            "Copy it again or correct the numbers"
        )


def check_complete(path: Path, decoded: int, announced: float) -> None:
    """Refuse an AVI with frames that cannot be decoded.

    An AVI lists all of its frames. Other formats may list frames that their edits leave out, or only a duration.

    Args:
        path: file of the video.
        decoded: number of frames that were decoded.
        announced: number of frames in the header.

    Raises:
        DatasetError: the file contains more frames than were decoded.
    """
    if path.suffix.lower() == ".avi" and decoded < announced:
        with translate_os_errors(path):
            contained = count_avi_frames(path)
        if decoded < contained:
            raise DatasetError(f"{path} is damaged: only {decoded} of {contained} frames can be decoded. Copy it again")


def _make_facts(stamps_s: list[float], header_fps: float) -> VideoFacts:
    """Return the facts, given timestamps in seconds. If many of them do not ascend, they give no times."""
    step_s = find_usual_step(stamps_s)
    if step_s is None or repeat_often(stamps_s):
        fps = choose_rate(header_fps, step_s)
        seconds = tuple(number / fps for number in range(len(stamps_s))) if fps else ()
        return VideoFacts(count=len(stamps_s), seconds=seconds, fps=fps)
    clock = VideoClock(step_s)
    seconds = tuple(clock.read(stamp_s) for stamp_s in stamps_s)
    mean_fps = (len(seconds) - 1) / seconds[-1]
    fps = header_fps if abs(header_fps / mean_fps - 1) <= _RATE_TOLERANCE else mean_fps
    return VideoFacts(count=len(seconds), seconds=seconds, fps=fps if LEAST_FPS <= fps <= GREATEST_FPS else None)


class OpenVideo:
    """A video that is open. Close it by the `with` statement."""

    def __init__(self, path: Path, capture: cv2.VideoCapture, most_px: int | None, mirror: int | None) -> None:
        self.path = path
        self._most_px = most_px
        self._mirror = mirror
        self._capture = capture
        self._messages = ""
        self._grabbed = False

    def __enter__(self) -> "OpenVideo":
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def get(self, key: int) -> float:
        """Return one of OpenCV's properties of a video."""
        return float(self._capture.get(key))

    def grab(self) -> bool:
        """Decode the next frame. Return False after the last frame.

        Raises:
            DatasetError: the frame is damaged or too large.
        """
        grabbed, self._messages = call_decoder(self.path, self._capture.grab)
        fault = find_damage_message(self._messages)
        if not grabbed and not self._grabbed:
            return False  # `explain_absence` gives the reason
        self._grabbed = True
        if fault:
            raise DatasetError(f"{self.path} is damaged ({fault}). Copy it again")
        pass_on(self._messages)
        self.check_size()
        return grabbed

    def check_size(self) -> None:
        """Refuse frames that are too large."""
        width, height = self.get(cv2.CAP_PROP_FRAME_WIDTH), self.get(cv2.CAP_PROP_FRAME_HEIGHT)
        ratio = self._pixel_width()
        check_frame_size(self.path, width * max(1.0, ratio), height * max(1.0, 1 / ratio), self._most_px)

    def _pixel_width(self) -> float:
        """Return the width of a pixel over its height, before the frame is rotated.

        Raises:
            DatasetError: the pixels are much wider or much higher than those of any camera.
        """
        width, height = self.get(cv2.CAP_PROP_SAR_NUM), self.get(cv2.CAP_PROP_SAR_DEN)
        ratio = width / height if width > 0 and height > 0 else 1.0  # 0: the file does not state it
        if not 1 / _WIDEST_PIXEL <= ratio <= _WIDEST_PIXEL:
            raise DatasetError(
                f"{self.path}: a pixel of {width:g}:{height:g} is {ratio:.3g} times as wide as high. Convert the video "
                "to square pixels, for example with `ffmpeg -i in.mp4 -vf scale=iw*sar:ih,setsar=1 out.mp4`"
            )
        return ratio if abs(ratio - 1) > _PIXEL_TOLERANCE else 1.0

    def retrieve(self) -> Image:
        """Return the frame that was decoded last, `(H, W, 3)` uint8, BGR, upright and with square pixels.

        Raises:
            DatasetError: the frame cannot be converted.
        """
        (converted, image), messages = call_decoder(self.path, self._capture.retrieve)
        if "interlaced" in messages:
            raise DatasetError(
                f"{self.path} is an interlaced video, which cannot be decoded. Deinterlace it first, for example with "
                "`ffmpeg -i in.mp4 -vf yadif out.mp4`"
            )
        if not converted or "swscaler" in messages:
            raise DatasetError(
                f"{self.path} is damaged: a frame cannot be converted. Copy it again, or convert it to MP4"
            )
        pass_on(messages)
        return self._square(image if self._mirror is None else cv2.flip(image, self._mirror))

    def _square(self, image: Image) -> Image:
        """Return a frame with square pixels. Its smaller side is enlarged, so nothing of the frame is lost."""
        ratio = self._pixel_width()
        if ratio == 1.0:
            return image
        is_quarter_turn = int(self.get(cv2.CAP_PROP_ORIENTATION_META)) % 180 == 90
        across, down = (max(1.0, ratio), max(1.0, 1 / ratio))
        if is_quarter_turn:
            across, down = down, across
        size = (round(across * image.shape[1]), round(down * image.shape[0]))
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)

    def explain_absence(self, announced: float) -> str:
        """Return why the video gave no frame, with a remedy."""
        codec = int(self.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True).decode("ascii", "replace")
        fault = find_damage_message(self._messages)
        if fault or announced > 0:
            name = codec if codec.isprintable() else "unknown"
            count = f"{announced:.0f} " if 0 < announced < MOST_FRAMES else ""
            return (
                f"none of its {count}frames can be decoded (codec {name}{f': {fault}' if fault else ''}). "
                "Convert it, for example with `ffmpeg -i in.mp4 -c:v libx264 out.mp4`"
            )
        return "it is a video without frames. Record or convert it again"


def open_video(path: Path, most_px: int | None = None) -> OpenVideo:
    """Open a video before its first frame.

    Args:
        path: file of the video.
        most_px: limit of the pixels of a frame. None means `limits.LARGEST_FRAME_PX`.

    Returns:
        The video. Close it by the `with` statement.

    Raises:
        DatasetError: the file is missing, truncated, two films in a row or not a video, or its frames are too large.
    """
    require_unicode(path)
    with translate_os_errors(path):
        if path.is_dir():
            raise DatasetError(f"{path} is a folder, not a video. Rename it, or give the path of the video in it")
        if not path.is_file():
            raise DatasetError(f"no video {path}. Copy it again or correct the path")
        fault = find_file_fault(path)
        if fault:
            raise DatasetError(f"{path} {fault}")
        mirror = find_mirror(path)
        size = find_frame_size(path)  # FFmpeg decodes a frame when it opens the file
        if size:
            check_frame_size(path, *size, most_px)
    # Only FFmpeg rotates frames as the file demands on every system. An absolute path cannot be taken for a protocol.
    options = [cv2.CAP_PROP_N_THREADS, _DECODER_THREADS]
    capture, messages = call_decoder(path, lambda: cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG, options))
    if not capture.isOpened():
        reason = find_damage_message(messages)
        raise DatasetError(
            f"{path} cannot be read as a video{f' ({reason})' if reason else ''}. Copy it again, or convert it to MP4"
        )
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    video = OpenVideo(path, capture, most_px, mirror)
    try:
        video.check_size()
    except DatasetError:
        capture.release()
        raise
    return video
