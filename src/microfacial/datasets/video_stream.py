"""Read a video of any length once, from its first frame on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2

from microfacial.datasets.limits import LONGEST_FILM_FRAMES
from microfacial.datasets.video import check_complete, open_video
from microfacial.datasets.video_clock import VideoClock, choose_rate, find_usual_step, repeat_often
from microfacial.errors import DatasetError
from microfacial.records import Image

_FIRST_FRAMES = 45
"""Number of frames that show the usual step of the timestamps. A recorder can deliver its first frames slowly."""


@dataclass(frozen=True, kw_only=True)
class VideoStart:
    """Facts about a video that are known before it is read as a whole.

    Attributes:
        count: number of frames in the header, which can be wrong; None if it has none.
        fps: usual frames per second; None if the file gives no rate.
        step_s: usual time between two frames in seconds; None if times follow from the rate, because the timestamps are
            absent or coarse.
    """

    count: int | None
    fps: float | None
    step_s: float | None


def stream_video(path: Path, step_s: float | None) -> Iterator[tuple[int, float | None, Image]]:
    """Yield all frames of a video. Its frames are not counted before, so the length of the video does not matter.

    Args:
        path: file of the video.
        step_s: usual time between two frames in seconds, from `read_start`; None if it is unknown.

    Yields:
        The number of a frame, from 1 on; its time in seconds from the first frame, ascending, or None without `step_s`;
        and the frame, `(H, W, 3)` uint8, BGR.

    Raises:
        DatasetError: the file is missing, truncated, damaged, interlaced or not a video, it has no frame, or its frames
            are too large.
    """
    number, clock = 0, VideoClock(step_s) if step_s is not None else None
    with open_video(path) as video:
        announced = video.get(cv2.CAP_PROP_FRAME_COUNT)
        while video.grab():
            number += 1
            stamp_s = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
            yield number, clock.read(stamp_s) if clock else None, video.retrieve()
        if number:
            check_complete(path, number, announced)
        else:
            raise DatasetError(f"{path}: {video.explain_absence(announced)}")


def read_start(path: Path) -> VideoStart:
    """Read the header of a video and the timestamps of its first frames.

    Args:
        path: file of the video.

    Returns:
        The facts. Headers of browser recordings have no rate, and others state a wrong one, so timestamps decide.

    Raises:
        DatasetError: the file is missing, truncated or not a video, its frames are too large, or one of its first
            frames is damaged.
    """
    stamps_s: list[float] = []
    with open_video(path) as video:
        header_fps, count = video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT)
        while len(stamps_s) < _FIRST_FRAMES and video.grab():
            stamps_s.append(video.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    step_s = find_usual_step(stamps_s)
    fps = choose_rate(header_fps, step_s)
    return VideoStart(
        count=int(count) if 0 < count < LONGEST_FILM_FRAMES else None,
        fps=fps,
        step_s=None if repeat_often(stamps_s) else step_s,
    )
