"""Read the size and the mirror of a video's frames from its header.

FFmpeg decodes a frame when it opens a file, so a file of a few kilobytes can take hundreds of megabytes of memory. The
header tells the size before. OpenCV rotates frames as the header demands, but does not mirror them.
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_MOST_ELEMENTS = 10_000  # of a header
_DEEPEST = 8  # levels of nested elements
_BOXES = (b"moov", b"trak", b"mdia", b"minf", b"stbl")  # boxes that contain the description of the frames
_SEGMENT, _TRACKS, _TRACK, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
_WIDTH, _HEIGHT = 0xB0, 0xBA
_PROJECTION, _POSE = 0x7670, (0x7673, 0x7674, 0x7675)  # yaw, pitch and roll
_MATROSKA = b"\x1a\x45\xdf\xa3"
_Place = tuple[int, int]  # first byte, and the byte after the last
_Matrix = tuple[float, float, float, float]


def find_frame_size(path: Path) -> tuple[int, int] | None:
    """Return the width and height in px of the largest frames that the header of a video announces.

    Args:
        path: file of the video. It exists.

    Returns:
        None for other formats than AVI, MP4, MOV, MKV, WebM and GIF, and for a header without a size.
    """
    end = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(12)
        if head.startswith(b"GIF8"):
            sizes = [(int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little"))]
        elif head.startswith(b"RIFF"):
            sizes = list(_read_avi(stream, (12, end)))
        elif head.startswith(_MATROSKA):
            sizes = list(_read_matroska(stream, (0, end)))
        else:
            sizes = list(_read_boxes(stream, (0, end)))
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def find_mirror(path: Path) -> int | None:
    """Return how the frames of an MP4, MOV, MKV or WebM must be mirrored after OpenCV has rotated them.

    Args:
        path: file of the video. It exists.

    Returns:
        0 to exchange top and bottom, 1 to exchange left and right, as in `cv2.flip`; None to leave the frames as they
        are, and for other formats.
    """
    with path.open("rb") as stream:
        read = _read_poses if stream.read(4) == _MATROSKA else _read_matrices
        a, b, c, d = next(iter(read(stream, (0, path.stat().st_size))), (1, 0, 0, 1))
    # OpenCV's rotation brings the first axis of a frame to its place. A mirror then exchanges the ends of the other.
    return (0 if abs(a) >= abs(b) else 1) if a * d - b * c < 0 else None


def _read_at(stream: BinaryIO, position: int, count: int) -> bytes:
    stream.seek(position)
    return stream.read(count)


def _read_avi(stream: BinaryIO, place: _Place, depth: int = 0) -> Iterator[tuple[int, int]]:
    """Yield the sizes in the stream formats of an AVI. The lists with frames are not read."""
    position, kind = place[0], b""
    for _ in range(_MOST_ELEMENTS):
        head = _read_at(stream, position, 20)
        name, length = head[:4], int.from_bytes(head[4:8], "little")
        if position >= place[1] or len(head) < 8 or head[8:12] == b"movi":
            return
        if name == b"LIST" and depth < _DEEPEST:
            yield from _read_avi(stream, (position + 12, min(place[1], position + 8 + length)), depth + 1)
        elif name == b"strh":
            kind = head[8:12]
        elif name == b"strf" and kind == b"vids":
            width, height = (int.from_bytes(head[start : start + 4], "little", signed=True) for start in (12, 16))
            yield abs(width), abs(height)  # a negative height means that the first row is at the top
        position += 8 + length + length % 2


def _list_boxes(stream: BinaryIO, place: _Place) -> Iterator[tuple[bytes, _Place]]:
    """Yield the name and the content of each box of an MP4 or MOV."""
    position = place[0]
    for _ in range(_MOST_ELEMENTS):
        if position >= place[1]:  # a damaged length can lead anywhere
            return
        head = _read_at(stream, position, 16)
        length, name, start = int.from_bytes(head[:4], "big"), head[4:8], 8
        if length == 1:  # the length follows the name, in eight bytes
            length, start = int.from_bytes(head[8:16], "big"), 16
        if length == 0:  # the last box ends with the file
            length = place[1] - position
        if len(head) < 8 or length < start:
            return
        yield name, (position + start, min(place[1], position + length))
        position += length


def _read_boxes(stream: BinaryIO, place: _Place, depth: int = 0) -> Iterator[tuple[int, int]]:
    """Yield the sizes in the sample descriptions of the video tracks of an MP4 or MOV."""
    is_video = True
    for name, content in _list_boxes(stream, place):
        if name == b"hdlr":
            head = _read_at(stream, content[0], 12)
            if head[4:8] != b"dhlr":  # a MOV also has a handler of data references
                is_video = head[8:12] == b"vide"
        if name in _BOXES and is_video and depth < _DEEPEST:
            yield from _read_boxes(stream, content, depth + 1)
        elif name == b"stsd":
            entry = _read_at(stream, content[0] + 8, 36)
            if len(entry) == 36:
                yield int.from_bytes(entry[32:34], "big"), int.from_bytes(entry[34:36], "big")


def _read_matrices(stream: BinaryIO, place: _Place) -> Iterator[_Matrix]:
    """Yield a, b, c and d of the matrix of each video track: a pixel at x and y is shown at ax + cy and bx + dy."""
    for name, content in _list_boxes(stream, place):
        if name == b"moov":
            yield from _read_matrices(stream, content)
        elif name == b"trak" and any(_read_boxes(stream, content)):
            headers = [box for box_name, box in _list_boxes(stream, content) if box_name == b"tkhd"]
            for start, end in headers[:1]:
                is_long = _read_at(stream, start, 1) == b"\x01"  # times and duration have eight bytes
                first = start + (52 if is_long else 40)
                matrix = _read_at(stream, first, 20)
                if len(matrix) == 20 and first + 20 <= end:
                    a, b, _, c, d = struct.unpack(">5i", matrix)
                    yield a, b, c, d


def _list_elements(stream: BinaryIO, place: _Place) -> Iterator[tuple[int, _Place]]:
    """Yield the id and the content of each element of an MKV or WebM."""
    position = place[0]
    for _ in range(_MOST_ELEMENTS):
        head = _read_at(stream, position, 16)
        id_length = 9 - head[0].bit_length() if position < place[1] and head and head[0] else 16
        first = head[id_length] if id_length < len(head) else 0
        end_of_head = id_length + 9 - first.bit_length()
        if not first or len(head) < end_of_head:
            return
        unknown = (1 << 7 * (end_of_head - id_length)) - 1  # all bits set
        length = int.from_bytes(head[id_length:end_of_head], "big") & unknown
        start = position + end_of_head
        end = place[1] if length == unknown else min(place[1], start + length)
        yield int.from_bytes(head[:id_length], "big"), (start, end)
        position = end


def _list_video_elements(stream: BinaryIO, place: _Place, depth: int = 0) -> Iterator[_Place]:
    """Yield the description of the frames of each video track of an MKV or WebM."""
    for name, content in _list_elements(stream, place):
        if name in (_SEGMENT, _TRACKS, _TRACK) and depth < _DEEPEST:
            yield from _list_video_elements(stream, content, depth + 1)
        elif name == _VIDEO:
            yield content


def _read_matroska(stream: BinaryIO, place: _Place) -> Iterator[tuple[int, int]]:
    """Yield the sizes of the video tracks of an MKV or WebM."""
    for video in _list_video_elements(stream, place):
        sides = {
            name: int.from_bytes(_read_at(stream, start, end - start), "big")
            for name, (start, end) in _list_elements(stream, video)
            if name in (_WIDTH, _HEIGHT) and end - start <= 8
        }
        if sides.get(_WIDTH) and sides.get(_HEIGHT):
            yield sides[_WIDTH], sides[_HEIGHT]


def _read_poses(stream: BinaryIO, place: _Place) -> Iterator[_Matrix]:
    """Yield the matrix of each video track of an MKV or WebM; see `_read_matrices`. A yaw of 180° is a mirror."""
    for video in _list_video_elements(stream, place):
        angles = {
            angle: _read_float(stream, content)
            for name, projection in _list_elements(stream, video)
            if name == _PROJECTION
            for angle, content in _list_elements(stream, projection)
            if angle in _POSE
        }
        yaw, pitch, roll = (angles.get(angle, 0.0) for angle in _POSE)
        side = -1.0 if abs(yaw) == 180 and pitch == 0 else 1.0
        cosine, sine = math.cos(math.radians(roll)), math.sin(math.radians(roll))
        yield side * cosine, -sine, side * sine, cosine


def _read_float(stream: BinaryIO, place: _Place) -> float:
    content = _read_at(stream, place[0], place[1] - place[0]) if place[1] - place[0] <= 8 else b""
    form = {4: ">f", 8: ">d"}.get(len(content))
    return float(struct.unpack(form, content)[0]) if form else 0.0
