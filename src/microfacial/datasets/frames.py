"""Read the frames of a clip, from images in a folder or from a video.

A frame is `(H, W, 3)` uint8, BGR, and upright: it is rotated as its file demands. A file that cannot be read correctly
raises an error. Changed bytes in a file of full length can remain unnoticed, because decoders hide them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median_low
from typing import NamedTuple, Protocol

from microfacial.datasets.folders import (
    FRAME_EXTENSIONS,
    find_frames,
    find_pattern,
)
from microfacial.datasets.image_files import read_image
from microfacial.datasets.limits import GREATEST_FPS, LEAST_FPS, check_frame_count
from microfacial.datasets.missing_frames import require_frame
from microfacial.datasets.video import VIDEO_EXTENSIONS, read_video, scan_video
from microfacial.errors import DatasetError
from microfacial.files import digest
from microfacial.records import FRAME_NUMBER, Clip, Image, frame_path

_MOST_GAPS = 0.1  # share of the steps between the numbers of a folder; more are no gaps


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
                f"{first_size}. Save all frames with one size, or list the clip under clips.exclude"
            )
        yield number, image


def frame_times(recording: Recording, fps: float | None = None) -> dict[int, float]:
    """Return the time of each frame of a recording.

    Args:
        recording: the recording.
        fps: frames per second. None means the timestamps of a video.

    Returns:
        Seconds from the first frame, by frame number. Empty for a folder of frames if `fps` is None, because its files
        have no timestamps. Numbers that are missing in a folder count as time; see `find_gap`.
    """
    if fps is not None:
        first, step = recording.numbers[0], _usual_step(recording)
        if step is None:
            return {number: index / fps for index, number in enumerate(recording.numbers)}
        return {number: (number - first) / step / fps for number in recording.numbers}
    return dict(zip(recording.numbers, recording.seconds, strict=True)) if recording.seconds else {}


def find_gap(recording: Recording) -> str:
    """Return in words where frames are missing in a folder, for a warning. The usual step between numbers is no gap.

    Args:
        recording: the recording.

    Returns:
        The first gap. Empty if no frame is missing, or if the steps between the numbers are irregular.
    """
    step = _usual_step(recording)
    if step is None:
        return ""
    for before, after in pairwise(recording.numbers):
        if after - before >= 2 * step:
            return f"no frames between {before} and {after}. Their time counts, but movements in it are not seen"
    return ""


def _usual_step(recording: Recording) -> int | None:
    """Return the median step between the numbers of frames, such as 2 in a folder with every second frame.

    Return None if many steps differ from it, as in a folder with two frames of three. The numbers then show no time.
    """
    steps = [after - before for before, after in pairwise(recording.numbers)]
    usual = median_low(steps or [1])
    others = sum(step != usual for step in steps)
    return usual if others <= max(1, _MOST_GAPS * len(steps)) else None


def require_fps(recording: Recording, fps: float | None = None) -> float:
    """Return the frame rate of a recording, which spotting needs.

    Args:
        recording: the recording.
        fps: frames per second. None means the rate of the video.

    Raises:
        DatasetError: the rate is unknown, or is not from `LEAST_FPS` to `GREATEST_FPS`.
    """
    fps = recording.fps if fps is None else fps
    path = recording.root / recording.frames if _is_video(recording) else recording.root
    if fps is None:
        raise DatasetError(
            f"{path}: the frame rate is unknown, and spotting needs it. Give fps (on the command line --fps, for "
            "example --fps 200 for CASME II or SAMM)"
        )
    if not LEAST_FPS <= fps <= GREATEST_FPS:
        raise DatasetError(
            f"{path}: fps must be a number from {LEAST_FPS:g} to {GREATEST_FPS:g}, not {fps}. Correct it"
        )
    return fps


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


def read_listed_frames(clip: Clip, root: Path, numbers: Iterable[int]) -> dict[int, Image]:
    """Read frames of a clip that the stage `clips` has listed, and check that the clip is still the listed one.

    Results that are stored under the digest of the clip would otherwise come from other frames.

    Args:
        clip: clip with the digest of its frames. Without a digest, nothing is checked.
        root: folder that the path in `clip.frames` starts from.
        numbers: numbers of the frames, in any order.

    Returns:
        Frames by number; see `read_frames`.

    Raises:
        DatasetError: a frame cannot be read, or the frames have changed since the clips were listed.
    """
    frames = read_frames(clip, root, numbers)
    if clip.digest and digest_frames(clip, root) != clip.digest:
        raise DatasetError(
            f"{clip.id}: its frames have changed since the stage clips read them. Run `microfacial repro`, or list the "
            "clips again"
        )
    return frames


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
        pattern = find_pattern(path, FRAME_EXTENSIONS, default="")
        if not pattern:
            raise DatasetError(f"{path} has no frames, such as img1.jpg. Give the path of a folder of frames")
        numbers = find_frames(path, pattern)
        check_frame_count(path, len(numbers))
        return Recording(root=path, frames=pattern, numbers=numbers, fps=None)
    if path.suffix.lower() not in VIDEO_EXTENSIONS:
        raise DatasetError(
            f"{path} is neither a folder of frames nor a video ({', '.join(VIDEO_EXTENSIONS)}). Correct the path"
        )
    if FRAME_NUMBER.search(path.name):
        raise DatasetError(f"{path} has braces in its name, which stand for the number of a frame. Rename the video")
    facts = scan_video(path)
    numbers = tuple(range(1, facts.count + 1))
    return Recording(root=path.parent, frames=path.name, numbers=numbers, fps=facts.fps, seconds=facts.seconds)


def _is_video(clip: Footage) -> bool:
    return FRAME_NUMBER.search(clip.frames) is None and Path(clip.frames).suffix.lower() in VIDEO_EXTENSIONS
