"""Limits of frames and films. They are checked before anything is decoded, so that no file exhausts memory or time."""

from pathlib import Path

from microfacial.errors import DatasetError

LARGEST_FRAME_PX = 7680 * 4320  # 8K
MOST_FRAMES = 18_000  # ten minutes at 30 frames per second, or 90 s at 200
LEAST_FPS, GREATEST_FPS = 1.0, 100_000.0


def check_frame_size(path: Path, width: float, height: float) -> None:
    """Refuse frames that are too large.

    Args:
        path: file of the frame or video.
        width: width in px, as the file's header gives it.
        height: height in px.

    Raises:
        DatasetError: the frames have more pixels than `LARGEST_FRAME_PX`.
    """
    if width * height > LARGEST_FRAME_PX:
        raise DatasetError(
            f"{path} has {width:.0f}×{height:.0f} px, more than {LARGEST_FRAME_PX / 1e6:.1f} megapixels. "
            "Make its frames smaller or crop them to the face"
        )


def check_frame_count(path: Path, count: int) -> None:
    """Refuse films that are too long.

    Args:
        path: video or folder of frames.
        count: number of frames, as far as they were counted.

    Raises:
        DatasetError: there are more frames than `MOST_FRAMES`.
    """
    if count > MOST_FRAMES:
        raise DatasetError(f"{path} has more than {MOST_FRAMES} frames. Cut it into shorter parts")
