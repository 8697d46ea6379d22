"""Check the file of a video before it is decoded.

Decoders show the rest of a truncated file without an error. They also follow playlists, which are text, to other files.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_UNKNOWN_LENGTHS = (0, 2**32 - 1)  # a program that writes into a pipe cannot return to the start to fill in the length
_BOX_TYPES = frozenset(b"ftyp styp sidx moov moof mdat mfra free skip wide udta meta uuid emsg prft".split())
_MATROSKA, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_LISTS_OF_FRAMES = (b"movi", b"rec ")
_FRAME_CHUNK = re.compile(rb"\d\dd[bc]")
_CHUNK_NAME = re.compile(rb"[ -~]{4}")
_LEAST_FRAME_BYTES = 8  # shorter chunks repeat the frame before them
_MOST_BOX_BYTES = 1 << 24
_MOST_CHUNKS = 1_000_000
_HEAD_BYTES = 64
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")


def find_file_fault(path: Path) -> str:
    """Return what is wrong with the file of a video, and what to do; empty if nothing is.

    Args:
        path: file of a video. It exists.
    """
    if _is_text(path):
        return "is a text file, not a video. Give the path of a video"
    if is_truncated(path):
        return "is truncated: its end is missing. Copy it again"
    if _has_two_films(path):
        return "has two films in a row. Give each one as a file, or join them with `ffmpeg -f concat`"
    return ""


def is_truncated(path: Path) -> bool:
    """Return whether a file ends before the chunks that it announces.

    An AVI is a sequence of RIFF chunks, an MP4 or MOV is a sequence of boxes, an MKV or WebM is a sequence of elements,
    and a GIF ends with a semicolon.

    Args:
        path: file of a video. It exists.
    """
    size, end = path.stat().st_size, 0
    with path.open("rb") as stream:
        if stream.read(4) == b"GIF8":
            stream.seek(-1, 2)
            return stream.read(1) != b";"
        for _ in range(_MOST_CHUNKS):
            if end >= size:
                break
            end = _chunk_end(stream, end, size)
    return size == 0 or end > size


def count_avi_frames(path: Path) -> int:
    """Return the number of frames that an AVI contains. Unlike the number in its header, it is never wrong.

    Args:
        path: file of the video. It exists.

    Returns:
        Number of chunks with a frame. Chunks that only stand for a repeated frame do not count.
    """
    with path.open("rb") as stream:
        chunks = _walk_avi(stream, path.stat().st_size)
        return sum(1 for name, _, length in chunks if _FRAME_CHUNK.fullmatch(name) and length >= _LEAST_FRAME_BYTES)


def _is_text(path: Path) -> bool:
    """Return whether a file starts with text. The headers of all videos have bytes that are not text."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    return bool(head) and not _BINARY.search(head)


def _has_two_films(path: Path) -> bool:
    """Return whether an MP4 or MOV has two films, as `cat a.mp4 b.mp4` writes it. Decoders show only the first.

    Each film has one box `moov`. The fragments of a film have boxes `moof` with ascending numbers. Some recorders of
    fragments repeat the same `moov` between them, which then has a box `mvex`.
    """
    size, end, films, header, last = path.stat().st_size, 0, 0, b"", 0
    with path.open("rb") as stream:
        for _ in range(_MOST_CHUNKS):
            if end >= size or films == 2:
                break
            stream.seek(end + 4)
            name, body = stream.read(4), end + 8
            end = _chunk_end(stream, end, size)
            if name == b"moov":
                stream.seek(body)
                box = stream.read(min(end - body, _MOST_BOX_BYTES))
                films += not (box == header and b"mvex" in box)
                header = header or box
            elif name == b"moof":
                stream.seek(body + 12)  # the number of the fragment, in the box `mfhd`
                number = int.from_bytes(stream.read(4), "big")
                films += number == 1 and last >= number
                last = number
    return films == 2


def _chunk_end(stream: BinaryIO, start: int, size: int) -> int:
    """Return the announced end of the chunk at `start`, or the end of the file if it announces none."""
    stream.seek(start)
    head = stream.read(32)
    if head.startswith(b"RIFF"):
        length = int.from_bytes(head[4:8], "little")
        end = _open_riff_end(stream, size) if length in _UNKNOWN_LENGTHS else start + 8 + length
        return size if end == size + 1 else end  # many writers leave out the last padding byte
    if head.startswith(_MATROSKA):
        return _matroska_end(stream, start, size)
    length, name = int.from_bytes(head[:4], "big"), head[4:8]
    if length == 1:  # the length follows the name, in eight bytes
        length = int.from_bytes(head[8:16], "big")
    return start + length if length >= 8 and name in _BOX_TYPES else size


def _open_riff_end(stream: BinaryIO, size: int) -> int:
    """Return the end of the last chunk in an AVI whose length is unknown."""
    return max((start + 8 + length for _, start, length in _walk_avi(stream, size)), default=size)


def _walk_avi(stream: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, start and length of each chunk in an AVI, but not of the lists that contain frames."""
    position = 0
    for _ in range(_MOST_CHUNKS):
        stream.seek(position)
        head = stream.read(12)
        name, length = head[:4], int.from_bytes(head[4:8], "little")
        if len(head) < 8 or not _CHUNK_NAME.fullmatch(name):
            return
        if name == b"RIFF" or (name == b"LIST" and head[8:] in _LISTS_OF_FRAMES):
            position += 12
            continue
        yield name, position, length
        position += 8 + length + length % 2


def _matroska_end(stream: BinaryIO, start: int, size: int) -> int:
    """Return the end of the segment, or of its last element if the length of the segment is unknown."""
    position = start
    for _ in range(_MOST_CHUNKS):
        stream.seek(position)
        head = stream.read(16)
        if not head or not head[0]:
            break
        id_length = 9 - head[0].bit_length()
        first = head[id_length] if id_length < len(head) else 0
        length_bytes = 9 - first.bit_length()
        end_of_head = id_length + length_bytes
        if not first or len(head) < end_of_head:  # an identifier or a length ends early, or it is not valid
            return size + 1 if len(head) < end_of_head else size
        unknown = (1 << (7 * length_bytes)) - 1  # all bits set
        length = int.from_bytes(head[id_length:end_of_head], "big") & unknown
        position += end_of_head + (
            length if length != unknown else 0
        )  # elements without a length contain the next ones
        if position > size or (head.startswith(_SEGMENT) and length != unknown):
            break
    return max(position, size)
