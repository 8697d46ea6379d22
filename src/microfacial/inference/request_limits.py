"""Limits of a request to a server, and the types of films that a server accepts. This module imports no library."""

from dataclasses import dataclass

FILM_TYPES = "avi, gif, mkv, mov, mp4 or webm"


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """Limits of one request.

    Attributes:
        upload_bytes: size of the body.
        pixels: width × height of a frame.
        frames: number of frames of a film.
        film_seconds: duration of a film.
        films: number of films in one request.
        seconds: time to receive the body, and time to answer each film.
        memory_bytes: memory of the process that answers a film. Only Linux enforces it.
        waiting: number of films that may wait for a free process, over all requests.
    """

    upload_bytes: int = 64 * 2**20
    pixels: int = 3840 * 2160
    frames: int = 3000
    film_seconds: float = 120.0
    films: int = 16
    seconds: float = 120.0
    memory_bytes: int = 4 * 2**30
    waiting: int = 64


DEFAULT_LIMITS = RequestLimits()

MAP_SUFFIX = ".png"
"""File name suffix of a published flow map."""

_SUFFIXES = {
    b"RIFF": ".avi",
    b"GIF8": ".gif",
    b"\x1a\x45\xdf\xa3": ".mkv",
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"BM": ".bmp",
}  # by the first bytes of a file
_MP4_BRAND = b"ftyp"  # from byte 4
_PICTURES = (".png", ".jpg", ".bmp")


def find_film_suffix(content: bytes) -> str:
    """Return the file name suffix of a film, which follows from its first bytes. Return "" for anything else.

    Args:
        content: the content of a file, or its first bytes.
    """
    if content[4:8] == _MP4_BRAND:
        return ".mp4"
    suffix = _find_suffix(content)
    return "" if suffix in _PICTURES else suffix


def find_picture_suffix(content: bytes) -> str:
    """Return the file name suffix of a picture, which follows from its first bytes. Return "" for anything else.

    Args:
        content: the content of a file, or its first bytes.
    """
    suffix = _find_suffix(content)
    return suffix if suffix in _PICTURES else ""


def _find_suffix(content: bytes) -> str:
    return next((suffix for start, suffix in _SUFFIXES.items() if content.startswith(start)), "")
