"""Read the size of an image from its header, before anything is decoded."""

import io
import struct
import warnings
from pathlib import Path

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from microfacial.datasets.limits import LARGEST_FRAME_PX, check_frame_size
from microfacial.errors import DatasetError

LARGEST_IMAGE_BYTES = 8 * LARGEST_FRAME_PX  # four channels of 16 bits, not compressed
_PNG_HEADER, _PNG_SIZE = b"\x89PNG\r\n\x1a\n", struct.Struct(">II")
_TIFF_HEADER_BYTES = {b"II*\0": 8, b"MM\0*": 8, b"II+\0": 16, b"MM\0+": 16}
_WIDTH_TAG, _HEIGHT_TAG = 256, 257
_NOT_AN_IMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, RuntimeError)


def check_image_size(path: Path, content: bytes) -> None:
    """Refuse an image that is too large.

    Args:
        path: file of the image, for messages.
        content: content of the file.

    Raises:
        DatasetError: the image has more pixels than `LARGEST_FRAME_PX`, or the header is not that of an image.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            width, height = _read_size(content)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DatasetError(
            f"{path} has more than {LARGEST_FRAME_PX / 1e6:.1f} megapixels. Make its frames smaller or crop them to "
            "the face"
        ) from None
    except (*_NOT_AN_IMAGE, struct.error):
        raise DatasetError(
            f"{path} cannot be read as an image. Re-extract the clip or list it under clips.exclude"
        ) from None
    check_frame_size(path, width, height)


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
