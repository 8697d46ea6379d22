"""Read an image from a file. Its size is read from its header first, before anything is decoded.

A file that cannot be read correctly raises an error: a truncated image, an image with transparent pixels, or a 16-bit
image that holds unscaled 10- to 14-bit levels.
"""

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from microfacial.datasets.decoders import call_decoder, find_damage_message, pass_on
from microfacial.datasets.folders import translate_os_errors
from microfacial.datasets.limits import LARGEST_FRAME_PX, check_frame_size
from microfacial.datasets.missing_frames import require_frame
from microfacial.errors import DatasetError, TooLargeError
from microfacial.records import Image as Pixels

LARGEST_IMAGE_BYTES = 8 * LARGEST_FRAME_PX  # four channels of 16 bits, not compressed
_PNG_HEADER, _PNG_SIZE = b"\x89PNG\r\n\x1a\n", struct.Struct(">II")
_TIFF_HEADER_BYTES = {b"II*\0": 8, b"MM\0*": 8, b"II+\0": 16, b"MM\0+": 16}
_WIDTH_TAG, _HEIGHT_TAG = 256, 257
_NOT_AN_IMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, RuntimeError)
_LEAST_16_BIT_LEVEL = 1 << 14  # a 16-bit image whose levels are all lower holds 10-, 12- or 14-bit levels, unscaled
_TO_8_BITS = np.rint(np.arange(1 << 16) / 257).astype(np.uint8)  # 65535 becomes 255


def read_image(path: Path) -> Pixels:
    """Read an image.

    Args:
        path: file of the image.

    Returns:
        The image, `(H, W, 3)` uint8, BGR. 16-bit levels are scaled to 8 bits.

    Raises:
        DatasetError: the file is missing, truncated, unreadable or not an image, has transparent pixels, or has levels
            of neither 8 nor full 16 bits.
    """
    with translate_os_errors(path):
        if require_frame(path).stat().st_size > LARGEST_IMAGE_BYTES:
            raise DatasetError(
                f"{path} is larger than {LARGEST_IMAGE_BYTES / 1e6:.0f} MB. Make its frames smaller or crop them"
            )
        content = path.read_bytes()
    check_image_size(path, content)
    image = _decode(path, content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    levels = _scale_to_8_bit(image, path)
    if not content.startswith(b"\xff\xd8"):  # a JPEG cannot be transparent
        _check_opaque(content, path)
    return levels


def _decode(path: Path, content: bytes, flags: int) -> NDArray[Any]:
    """Return an image. Refuse bytes that are truncated, damaged or not an image."""
    image: NDArray[Any] | None
    image, messages = call_decoder(path, lambda: cv2.imdecode(np.frombuffer(content, np.uint8), flags))
    fault = find_damage_message(messages)
    if image is None or fault:
        raise DatasetError(
            f"{path} cannot be read as an image{f' ({fault})' if fault else ''}. "
            "Copy or extract it again, or list the clip under clips.exclude"
        )
    pass_on(messages)
    return image


def _check_opaque(content: bytes, path: Path) -> None:
    """Refuse an image with transparent pixels, because their colours have no meaning."""
    image = _decode(path, content, cv2.IMREAD_UNCHANGED)
    if image.shape[2:] == (4,) and np.any(image[..., 3] != np.iinfo(image.dtype).max):
        raise DatasetError(f"{path} has transparent pixels. Save it without transparency")


def _scale_to_8_bit(image: NDArray[Any], path: Path) -> Pixels:
    """Return the image with 8-bit levels. Refuse an image whose range of levels is unclear."""
    if image.dtype == np.uint8:
        return image
    if image.dtype != np.uint16:
        raise DatasetError(f"{path} has levels of type {image.dtype}, neither 8 nor 16 bits. Save it with 8 bits")
    brightest = int(image.max())
    if brightest < _LEAST_16_BIT_LEVEL:
        raise DatasetError(
            f"{path} has 16 bits but no level above {brightest}: it seems to hold {brightest.bit_length()}-bit levels. "
            "Scale all frames to 8 bits by the same factor"
        )
    return _TO_8_BITS[image]


def check_image_size(path: Path, content: bytes, most_px: int | None = None) -> None:
    """Refuse an image that is too large.

    Args:
        path: file of the image, for messages.
        content: content of the file.
        most_px: limit of width × height. None means `LARGEST_FRAME_PX`.

    Raises:
        TooLargeError: the image has more pixels than the limit.
        DatasetError: the header is not that of an image.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            width, height = _read_size(content)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooLargeError(
            f"{path} has more than {LARGEST_FRAME_PX / 1e6:.1f} megapixels. Make its frames smaller or crop them to "
            "the face"
        ) from None
    except (*_NOT_AN_IMAGE, struct.error):
        raise DatasetError(
            f"{path} cannot be read as an image. Copy or extract it again, or list the clip under clips.exclude"
        ) from None
    check_frame_size(path, width, height, most_px)


def _read_size(content: bytes) -> tuple[int, int]:
    """Return width and height in px. Pillow does not open PNG and TIFF files of all types of pixels."""
    if content.startswith(_PNG_HEADER):
        return _PNG_SIZE.unpack_from(content, 16)
    header_bytes = _TIFF_HEADER_BYTES.get(content[:4])
    if header_bytes is None:
        with Image.open(io.BytesIO(content)) as image:
            return image.size
    tags = ImageFileDirectory_v2(content[:header_bytes])
    stream = io.BytesIO(content)
    stream.seek(tags.next)
    tags.load(stream)
    return int(tags[_WIDTH_TAG]), int(tags[_HEIGHT_TAG])
