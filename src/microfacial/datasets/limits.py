"""Limits of frames and films. They are checked before anything is decoded, so that no file exhausts memory or time."""

from pathlib import Path

from microfacial.errors import TooLargeError

LARGEST_FRAME_PX = 7680 * 4320  # 8K
MOST_FRAMES = 18_000  # ten minutes at 30 frames per second, or 90 s at 200
LONGEST_FILM_FRAMES = 2_000_000  # of a film that is read frame by frame: 18 hours at 30 frames per second
LEAST_FPS, GREATEST_FPS = 1.0, 100_000.0


def check_frame_size(path: Path, width: float, height: float, most_px: int | None = None) -> None:
    """Refuse frames that are too large.

    Args:
        path: file of the frame or video.
        width: width in px, as the file's header gives it.
        height: height in px.
        most_px: limit of width × height. None means `LARGEST_FRAME_PX`.

    Raises:
        TooLargeError: the frames have more pixels than that.
    """
    most_px = LARGEST_FRAME_PX if most_px is None else most_px
    if width * height > most_px:
        raise TooLargeError(
            f"{path} has {width:.0f}×{height:.0f} px, more than {most_px / 1e6:.1f} megapixels. "
            "Make its frames smaller or crop them to the face"
        )


def check_frame_count(path: Path, count: int, most: int | None = None) -> None:
    """Refuse films that are too long.

    Args:
        path: video or folder of frames.
        count: number of frames, as far as they were counted.
        most: limit of the number. None means `MOST_FRAMES`.

    Raises:
        TooLargeError: there are more frames than that.
    """
    most = MOST_FRAMES if most is None else most
    if count > most:
        raise TooLargeError(f"{path} has more than {most} frames. Cut it into shorter parts")
