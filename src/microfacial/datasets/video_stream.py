"""Read a video of any length once, from its first frame on."""

from collections.abc import Iterator
from pathlib import Path

import cv2

from microfacial.datasets.limits import GREATEST_FPS, LEAST_FPS, LONGEST_FILM_FRAMES
from microfacial.datasets.video import VideoFacts, check_complete, open_video
from microfacial.errors import DatasetError
from microfacial.records import Image


def stream_video(path: Path) -> Iterator[tuple[int, float | None, Image]]:
    """Yield all frames of a video. Its frames are not counted before, so the length of the video does not matter.

    Args:
        path: file of the video.

    Yields:
        The number of a frame, from 1 on; its time in seconds from the first frame, or None from the first timestamp on
        that does not ascend; and the frame, `(H, W, 3)` uint8, BGR.

    Raises:
        DatasetError: the file is missing, truncated, damaged, interlaced or not a video, it has no frame, or its frames
            are too large.
    """
    number, first_s, last_s, ascending = 0, 0.0, -1.0, True
    with open_video(path) as video:
        announced = video.get(cv2.CAP_PROP_FRAME_COUNT)
        while video.grab():
            number += 1
            stamp = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
            first_s = stamp if number == 1 else first_s
            ascending = ascending and stamp - first_s > last_s
            last_s = stamp - first_s
            yield number, last_s if ascending else None, video.retrieve()
        if number:
            check_complete(path, number, announced)
        else:
            raise DatasetError(f"{path}: {video.explain_absence(announced)}")


def read_header(path: Path) -> VideoFacts:
    """Return what the header of a video says. It can be wrong.

    Args:
        path: file of the video.

    Returns:
        Facts without times. The count is 0 if the header has none.

    Raises:
        DatasetError: the file is missing, truncated or not a video, or its frames are too large.
    """
    with open_video(path) as video:
        fps, count = video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT)
    return VideoFacts(
        count=int(count) if 0 < count < LONGEST_FILM_FRAMES else 0,
        seconds=(),
        fps=fps if LEAST_FPS <= fps <= GREATEST_FPS else None,
    )
