"""Read a long film once, frame by frame. Nothing is counted in advance, so memory does not grow with its length."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from microfacial.datasets.folders import FRAME_EXTENSIONS, find_frames, find_pattern
from microfacial.datasets.frames import Recording, TimedFrame, require_fps, stream_recording
from microfacial.datasets.limits import LONGEST_FILM_FRAMES, check_frame_count
from microfacial.datasets.video import VIDEO_EXTENSIONS
from microfacial.datasets.video_stream import read_start, stream_video
from microfacial.errors import DatasetError


@dataclass(frozen=True, kw_only=True)
class Film:
    """A long video, or a long folder of frames.

    Attributes:
        path: video or folder.
        fps: frames per second. For a video, the rate of its header or of its first frames if no other was given.
        count: number of frames, as far as it is known before the film is read. The header of a video can be wrong.
        recording: the folder of frames; None for a video.
        step_s: usual time between two frames of a video in seconds. None if times follow from `fps` and not from the
            timestamps of a video.
    """

    path: Path
    fps: float
    count: int | None
    recording: Recording | None
    step_s: float | None

    def frames(self) -> Iterator[TimedFrame]:
        """Yield the frames one by one, with their times.

        Raises:
            DatasetError: a frame cannot be read, or the film is longer than `limits.LONGEST_FILM_FRAMES`.
        """
        if self.recording is not None:
            yield from stream_recording(self.recording, self.fps)
            return
        for number, seconds, image in stream_video(self.path, self.step_s):
            check_frame_count(self.path, number, LONGEST_FILM_FRAMES)
            yield TimedFrame(number, (number - 1) / self.fps if seconds is None else seconds, image)


def open_film(path: Path, fps: float | None = None) -> Film:
    """Open a film before its first frame.

    Args:
        path: video, or folder of frames.
        fps: frames per second. None means the rate and the timestamps of the video.

    Returns:
        The film.

    Raises:
        DatasetError: the path is neither a video nor a folder of frames, or the frame rate is unknown.
    """
    if path.is_dir():
        pattern = find_pattern(path, FRAME_EXTENSIONS, default="")
        if not pattern:
            raise DatasetError(f"{path} has no frames, such as img1.jpg. Give the path of a folder of frames")
        numbers = find_frames(path, pattern)
        check_frame_count(path, len(numbers), LONGEST_FILM_FRAMES)
        recording = Recording(root=path, frames=pattern, numbers=numbers, fps=None)
        rate = require_fps(recording, fps)
        return Film(path=path, fps=rate, count=len(numbers), recording=recording, step_s=None)
    if path.suffix.lower() not in VIDEO_EXTENSIONS:
        raise DatasetError(
            f"{path} is neither a folder of frames nor a video ({', '.join(VIDEO_EXTENSIONS)}). Correct the path"
        )
    start = read_start(path)
    video = Recording(root=path.parent, frames=path.name, numbers=(), fps=start.fps)
    rate = require_fps(video, fps)
    return Film(path=path, fps=rate, count=start.count, recording=None, step_s=start.step_s if fps is None else None)
