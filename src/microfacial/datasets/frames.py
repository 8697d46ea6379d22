"""What cameras wrote: the frames of a clip, as pictures in a folder or as a video.

A frame is `(H, W, 3)` uint8, BGR, turned upright as its file says. What cannot be read rightly is refused, never
guessed: pictures and videos that are cut short, pictures with transparent parts, 10- to 14-bit levels in 16-bit files.
Bytes that were changed within a file of full length may go unnoticed, as decoders conceal them.

A video is decoded from its first frame on and never sought in, because seeking lands on a wrong frame in many formats;
its frames are counted by decoding them, because its metadata may be wrong.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.errors import DatasetError
from microfacial.files import digest
from microfacial.records import FRAME_NUMBER, frame_path

Picture = NDArray[np.uint8]
PICTURE_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff")
VIDEO_ENDINGS = (".avi", ".gif", ".m4v", ".mov", ".mp4")


class Footage(Protocol):
    """Where frames lie: a `Clip`, or a `Recording`."""

    @property
    def frames(self) -> str:
        """Path below a root: of a frame, with `{}` or `{:05d}` for its number, or of a video."""
        ...

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the frames, ascending; a video's first frame is number 1."""
        ...


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What a user brings: a video or a folder of frames. `fps` is None where the files do not tell.

    `frames` is a path below `root`, as that of a `Clip`.
    """

    root: Path
    frames: str
    numbers: tuple[int, ...]
    fps: float | None


# --- clips ------------------------------------------------------------------------------------------------------------


def read_frames(clip: Footage, root: Path, numbers: Iterable[int]) -> dict[int, Picture]:
    """Frames of one clip by number, ascending, all of one size.

    Raises:
        DatasetError: a frame is missing, unreadable or of another size than the first.
    """
    return dict(stream_clip(clip, root, numbers))


def stream_clip(clip: Footage, root: Path, numbers: Iterable[int]) -> Iterator[tuple[int, Picture]]:
    """Yield what `read_frames` returns, frame by frame, for clips that are too long to hold.

    Raises:
        DatasetError: as `read_frames`.
    """
    wanted = sorted(set(numbers))
    pictures = ((number, read_image(root / frame_path(clip.frames, number))) for number in wanted)
    first: tuple[int, Picture] | None = None
    for number, image in _read_video(root / clip.frames, wanted) if _is_video(clip) else pictures:
        first = first or (number, image)
        if image.shape != first[1].shape:
            sizes = [f"{picture.shape[1]}×{picture.shape[0]}" for picture in (image, first[1])]
            raise DatasetError(
                f"{root / frame_path(clip.frames, number)} is {sizes[0]}, but frame {first[0]} of its clip is "
                f"{sizes[1]}. Re-extract the clip or list it under clips.exclude"
            )
        yield number, image


def frame_files(clip: Footage, root: Path, numbers: Iterable[int]) -> list[Path]:
    """The files that hold some frames of a clip, in the order of `numbers`; of a video, the video alone.

    Raises:
        DatasetError: a file is missing.
    """
    if _is_video(clip):
        return [_existing(root / clip.frames)]
    return [_existing(root / frame_path(clip.frames, number)) for number in numbers]


def digest_frames(clip: Footage, root: Path) -> str:
    """Short SHA-256 over the bytes of all frames of a clip, or of its video.

    Raises:
        DatasetError: a file is missing.
    """
    return digest(frame_files(clip, root, clip.numbers))


def open_clip(path: Path) -> Recording:
    """Find the frames of a video or of a folder; the last integer in a name is a frame's number.

    Raises:
        DatasetError: there are none, the folder mixes frames of two forms, or the video is damaged.
    """
    if path.is_dir():
        endings = {file.suffix for file in list_folder(path) if file.suffix.lower() in PICTURE_ENDINGS}
        pattern = find_pattern(path, tuple(sorted(endings)), absent="") if endings else ""
        if not pattern:
            raise DatasetError(f"{path} has no frames, such as img1{PICTURE_ENDINGS[2]}. Name a folder of frames")
        return Recording(root=path, frames=pattern, numbers=find_frames(path, pattern), fps=None)
    if path.suffix.lower() not in VIDEO_ENDINGS:
        raise DatasetError(f"{path} is no folder of frames and no video ({', '.join(VIDEO_ENDINGS)}). Correct the path")
    numbers = tuple(range(1, count_frames(path) + 1))
    return Recording(root=path.parent, frames=path.name, numbers=numbers, fps=read_fps(path))


def _is_video(clip: Footage) -> bool:
    return FRAME_NUMBER.search(clip.frames) is None and Path(clip.frames).suffix.lower() in VIDEO_ENDINGS


def _existing(path: Path) -> Path:
    with translate_os_errors(path):
        if not path.is_file():
            raise DatasetError(f"no frame {path}. Re-extract the clip or list it under clips.exclude")
    return path


@contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Name the path and the cause where the system refuses to read it.

    Raises:
        DatasetError: in place of any OSError.
    """
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read: {error.strerror or error}. Correct its permissions or copy it again"
        ) from None


# --- folders ----------------------------------------------------------------------------------------------------------


def list_folder(folder: Path) -> list[Path]:
    """What lies in a folder, in no order; nothing where there is no folder.

    Raises:
        DatasetError: the folder may not be read.
    """
    with translate_os_errors(folder):
        return list(folder.iterdir()) if folder.is_dir() else []


def find_frames(folder: Path, pattern: str) -> tuple[int, ...]:
    """Numbers of the frames in a folder, in numeric order; empty if there are none.

    Args:
        pattern: name of a frame, with `{}` or `{:05d}` for its number.

    Raises:
        DatasetError: the folder may not be read.
    """
    prefix, width, suffix = _split(pattern)
    form = re.compile(re.escape(prefix) + r"(\d+)" + re.escape(suffix))
    texts = [match[1] for path in list_folder(folder) if (match := form.fullmatch(path.name))]
    return tuple(sorted(int(text) for text in texts if text == str(int(text)).zfill(width)))


def find_pattern(folder: Path, endings: tuple[str, ...], absent: str) -> str:
    """The pattern of the frame names in a folder, whose last integer is the frame number, zero-padded or not.

    Args:
        endings: endings of the frames, such as `.jpg`, which may stand in upper case on disk.
        absent: what to answer where there is no frame.

    Raises:
        DatasetError: the folder mixes names of two forms, or numbers of two paddings, or may not be read.
    """
    form = re.compile(r"(?!\.)(.*?)(\d+)((?i:" + "|".join(map(re.escape, endings)) + "))")
    matches = [match for path in list_folder(folder) if (match := form.fullmatch(path.name))]
    if not matches:
        return absent
    forms = sorted({(match[1], match[3]) for match in matches})
    if len(forms) > 1:
        names = " and ".join(f"{prefix}<N>{ending}" for prefix, ending in forms)
        raise DatasetError(f"{folder} mixes frames {names}. Keep those of one form only")
    (prefix, ending), digits = forms[0], sorted(match[2] for match in matches)
    padded = any(text.startswith("0") and len(text) > 1 for text in digits)
    width = min(map(len, digits)) if padded else 0
    odd = next((text for text in digits if text != str(int(text)).zfill(width)), None)
    if odd is not None:
        names = " and ".join(f"{prefix}{text}{ending}" for text in (min(digits, key=len), odd))
        raise DatasetError(f"{folder} mixes numbers of different zero-padding, {names}. Pad all alike")
    return f"{prefix}{{:0{width}d}}{ending}" if padded else f"{prefix}{{}}{ending}"


def _split(pattern: str) -> tuple[str, int, str]:
    """What stands before the number, how many digits it has at least, and what stands behind."""
    place = FRAME_NUMBER.search(pattern)
    assert place is not None, f"{pattern} has no place for a number"
    return pattern[: place.start()], int(place[1] or 0), pattern[place.end() :]


# --- pictures ---------------------------------------------------------------------------------------------------------

_DIM = 1 << 14  # 16-bit pictures without a level this high are 10-, 12- or 14-bit ones that nobody scaled
_FULL_RANGE = 257  # 16-bit levels a level of 8 bits, so that 65535 becomes 255


def read_image(path: Path) -> Picture:
    """An image as `(H, W, 3)` uint8, BGR.

    Raises:
        DatasetError: the file is missing, cut short or no image, may not be read, has transparent parts, or has levels
            of neither 8 nor full 16 bits.
    """
    with translate_os_errors(path):
        content = _existing(path).read_bytes()
    image = _decode(content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if image is None:
        raise DatasetError(f"{path} cannot be read as an image. Re-extract the clip or list it under clips.exclude")
    levels = _as_8_bit(image, path)
    if not content.startswith(b"\xff\xd8"):  # JPEG knows no transparency
        _check_opaque(content, path)
    return levels


def _decode(content: bytes, flags: int) -> NDArray[Any] | None:
    """A picture, or None where it is none or is cut short, which OpenCV 5 tells for every format."""
    try:
        image: NDArray[Any] | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:  # no bytes at all; other damage gives None
        return None
    return image


def _check_opaque(content: bytes, path: Path) -> None:
    """Refuse transparent pixels, whose colours mean nothing."""
    image = _decode(content, cv2.IMREAD_UNCHANGED)
    assert image is not None, "it has been decoded before"
    if image.shape[2:] == (4,) and np.any(image[..., 3] != np.iinfo(image.dtype).max):
        raise DatasetError(f"{path} has transparent parts. Save it without transparency")


def _as_8_bit(image: NDArray[Any], path: Path) -> Picture:
    if image.dtype == np.uint8:
        return np.asarray(image, dtype=np.uint8)
    if image.dtype != np.uint16:
        raise DatasetError(f"{path} has levels of type {image.dtype}, neither 8 nor 16 bits. Save it with 8 bits")
    brightest = int(image.max())
    if brightest < _DIM:
        raise DatasetError(
            f"{path} has 16 bits but no level above {brightest}: it seems to hold {brightest.bit_length()}-bit levels. "
            "Scale them to 8 bits, all frames alike"
        )
    return np.asarray(np.rint(image / _FULL_RANGE), dtype=np.uint8)


# --- videos -----------------------------------------------------------------------------------------------------------


def count_frames(path: Path) -> int:
    """How many frames of a video can be decoded.

    Raises:
        DatasetError: the file is missing, cut short, damaged or no video, or it has no frame.
    """
    count = sum(1 for _ in _grab(path))
    if not count:
        raise DatasetError(f"{path} is a video without frames. Record or convert it again")
    announced = int(_property(path, cv2.CAP_PROP_FRAME_COUNT))
    # An AVI lists all of its frames. Other formats may list frames that their edits leave out, or only a duration.
    if path.suffix.lower() == ".avi" and count < announced:
        raise DatasetError(f"{path} is damaged: only {count} of {announced} frames can be decoded. Copy it again")
    return count


def read_fps(path: Path) -> float | None:
    """Frames per second as a video's file has them, None where it does not.

    Raises:
        DatasetError: the file is missing, cut short or no video.
    """
    fps = _property(path, cv2.CAP_PROP_FPS)
    return fps if fps > 0 else None


def _read_video(path: Path, wanted: list[int]) -> Iterator[tuple[int, Picture]]:
    """Yield the frames of a video whose numbers are wanted, ascending."""
    left, number = set(wanted), 0
    for number, capture in enumerate(_grab(path) if left else (), 1):
        if number in left:
            left.remove(number)
            _, image = capture.retrieve()
            yield number, np.asarray(image, dtype=np.uint8)
        if not left:
            return
    if left:
        raise DatasetError(
            f"{path} has no frame {min(left)}: its frames are 1–{number}, or it is damaged. "
            "Copy it again or correct the numbers"
        )


def _grab(path: Path) -> Iterator[cv2.VideoCapture]:
    """Yield the open video once for each of its frames, at that frame; it stops at the first that is damaged."""
    capture = _open(path)
    try:
        while capture.grab():
            yield capture
    finally:
        capture.release()


def _property(path: Path, which: int) -> float:
    capture = _open(path)
    try:
        return float(capture.get(which))
    finally:
        capture.release()


def _open(path: Path) -> cv2.VideoCapture:
    """A video before its first frame, to be released by the caller."""
    with translate_os_errors(path):
        if not path.is_file():
            raise DatasetError(f"no video {path}. Copy it again or correct the path")
        if _is_cut(path):
            raise DatasetError(f"{path} is cut short: its end is missing. Copy it again")
    # FFmpeg alone turns frames by the file's rotation on every system; an absolute path is never taken for a protocol.
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise DatasetError(f"{path} cannot be read as a video. Copy it again, or convert it to MP4")
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


_BOXES = frozenset(b"ftyp styp sidx moov moof mdat mfra free skip wide udta meta uuid".split())


def _is_cut(path: Path) -> bool:
    """Whether a file ends before the parts that it announces do; decoders would show what is left and say nothing.

    Convention: AVI is a row of RIFF chunks, MP4 and MOV are a row of boxes, and GIF ends with a semicolon.
    """
    size, end = path.stat().st_size, 0
    with path.open("rb") as stream:
        if stream.read(4) == b"GIF8":
            stream.seek(-1, 2)
            return stream.read(1) != b";"
        while 0 <= end < size:
            end = _end_of_part(stream, end, size)
    return size == 0 or end > size


def _end_of_part(stream: BinaryIO, start: int, size: int) -> int:
    """Where the part that starts here ends by its own word; the end of the file where nothing is announced."""
    stream.seek(start)
    head = stream.read(16)
    if head.startswith(b"RIFF"):
        return start + 8 + int.from_bytes(head[4:8], "little")
    length, name = int.from_bytes(head[:4], "big"), head[4:8]
    if length == 1:  # the length stands behind the name, in eight bytes
        length = int.from_bytes(head[8:16], "big")
    return start + length if length >= 8 and name in _BOXES else size
