"""Call OpenCV's decoders: translate their exceptions, and read the messages that they print.

Return values are not enough. OpenCV returns True and the pixels of another picture for an interlaced frame, and FFmpeg
replaces damaged parts of a frame. Only a message on stderr shows the fault.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, TypeVar

import cv2

from microfacial.errors import DatasetError

_T = TypeVar("_T")

_STDERR = 2
_ONE_CALL = Lock()  # stderr belongs to the whole process, so only one thread at a time may redirect it
_VARIABLES = ("OPENCV_FFMPEG_LOGLEVEL", "OPENCV_FFMPEG_SKIP_LOG_CALLBACK", "OPENCV_FFMPEG_CAPTURE_OPTIONS")
_FAULTS = re.compile(
    r"error while decoding|error in decod|decode error|decode failed|decode_slice|slice header|slice end not reached"
    r"|corrupt|damaged|premature end|overread|image data not found|no frame!|error (splitting|parsing|at mb|dc|y=)"
    r"|invalid (data|nal|mb|compressed header)|bad vlc|failed to read frame header|too large in superframe"
    r"|missing reference|could not find ref|not all references|exceeds containing master element|moov atom not found"
    r"|TIFF_Error",
    re.IGNORECASE,
)
_HARMLESS = re.compile(r"extraneous bytes")  # of JPEGs from many cameras; all pixels are decoded


def call_decoder(path: Path, call: Callable[[], _T]) -> tuple[_T, str]:
    """Call a decoder of OpenCV.

    Args:
        path: file that is decoded, for messages.
        call: calls the decoder.

    Returns:
        The result of `call`, and the text that the decoder printed on stderr meanwhile.

    Raises:
        DatasetError: the decoder raised an error, or there is too little memory.
    """
    with _ONE_CALL:
        log = _empty_log()
        try:
            with _usual_messages(), _redirect_stderr(log):
                result = call()
        except cv2.error as error:
            reason = " ".join(str(error.err or error).split())
            raise DatasetError(f"{path} cannot be decoded ({reason}). Copy it again or convert it") from None
        except MemoryError:
            raise DatasetError(f"{path} does not fit into memory. Make its frames smaller") from None
        return result, os.pread(log, _length(log), 0).decode(errors="replace")


def find_damage_message(messages: str) -> str:
    """Return the first message of a decoder that says that its picture is damaged. Return "" if there is none.

    Args:
        messages: text that a decoder printed.
    """
    lines = (re.sub(r"^\[[^]]*\]\s*", "", line).strip() for line in messages.splitlines())
    return next((line for line in lines if _FAULTS.search(line) and not _HARMLESS.search(line)), "")


def pass_on(messages: str) -> None:
    """Print messages of a decoder on stderr, as the decoder would have done.

    Args:
        messages: text that a decoder printed.
    """
    if messages:
        os.write(_STDERR, messages.encode())


def _empty_log() -> int:
    """Return the file descriptor of an empty file."""
    log = _open_log(os.getpid()).fileno()
    if _length(log):
        os.lseek(log, 0, os.SEEK_SET)
        os.ftruncate(log, 0)
    return log


@lru_cache(maxsize=1)
def _open_log(_process: int) -> IO[bytes]:
    """Open a file without a name. To open it for each frame of a film would take a fifth of the time to decode it.

    A process that was forked has a file of its own. On Linux, the file is in memory, so that a full disk hides no
    message.
    """
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("decoder"), "w+b")
    return TemporaryFile()


def _length(log: int) -> int:
    """Return how much has been written, because the position in the file is that of stderr too."""
    return os.lseek(log, 0, os.SEEK_CUR)


@contextmanager
def _usual_messages() -> Iterator[None]:
    """Leave out the user's settings that hide messages or change what is decoded. Restore them at the end."""
    variables = {name: os.environ.pop(name) for name in _VARIABLES if name in os.environ}
    level = cv2.utils.logging.getLogLevel()
    quiet = level < cv2.utils.logging.LOG_LEVEL_ERROR
    if quiet:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        os.environ.update(variables)
        if quiet:
            cv2.utils.logging.setLogLevel(level)


@contextmanager
def _redirect_stderr(target: int) -> Iterator[None]:
    """Redirect the file descriptor of stderr, because libraries in C write to it directly. It may be closed."""
    try:
        saved = os.dup(_STDERR)
    except OSError:
        saved = None
    os.dup2(target, _STDERR)
    try:
        yield
    finally:
        if saved is not None:
            os.dup2(saved, _STDERR)
            os.close(saved)
        elif target != _STDERR:
            os.close(_STDERR)
