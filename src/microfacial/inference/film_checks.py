"""Check a film or a map against the limits of a request."""

from pathlib import Path

from microfacial.datasets.image_files import check_image_size
from microfacial.datasets.limits import check_frame_count
from microfacial.datasets.video import scan_video
from microfacial.errors import TooLargeError
from microfacial.inference.request_limits import MAP_SUFFIX, RequestLimits


def check_film(path: Path, limits: RequestLimits, fps: float | None = None) -> None:
    """Refuse a film that is damaged, too large or too long. The frames of a video are counted by decoding them.

    Args:
        path: file of a video, folder of pictures, or picture of a map.
        limits: limits of the film.
        fps: frames per second that the sender gives. They are the only times of a folder.

    Raises:
        TooLargeError: a limit is exceeded.
        DatasetError: the film is damaged.
    """
    if path.is_dir():
        pictures = sorted(path.iterdir())
        check_frame_count(path, len(pictures), limits.frames)
        _check_duration(path, _duration(len(pictures), fps), limits)
        for picture in pictures:
            check_image_size(picture, picture.read_bytes(), limits.pixels)
        return
    if path.suffix == MAP_SUFFIX:
        check_image_size(path, path.read_bytes(), limits.pixels)
        return
    facts = scan_video(path, most_frames=limits.frames, most_px=limits.pixels)
    own_s = facts.seconds[-1] if facts.seconds else 0.0
    _check_duration(path, max(own_s, _duration(facts.count, fps)), limits)


def _duration(count: int, fps: float | None) -> float:
    """Return the time from the first frame to the last. The readers of the film refuse a rate that is not positive."""
    return (count - 1) / fps if fps is not None and fps > 0 else 0.0


def _check_duration(path: Path, seconds: float, limits: RequestLimits) -> None:
    if seconds > limits.film_seconds:
        raise TooLargeError(f"{path} takes {seconds:.0f} s, more than {limits.film_seconds:.0f} s. Send a shorter film")
