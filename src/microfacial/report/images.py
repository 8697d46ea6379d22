"""Images for display: other sizes, and links that contain an image."""

import base64
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.records import Image
from microfacial.report.flow_colours import RealArray

_Pixel = TypeVar("_Pixel", np.uint8, np.float32)


def resize_image(image: NDArray[_Pixel], width_px: int, height_px: int) -> NDArray[_Pixel]:
    """Return an image at another size.

    Smaller images are averages of pixels. Larger images repeat pixels, so no detail appears that was not measured.

    Args:
        image: Image `(H, W)` or `(H, W, C)`, uint8 or float32.
        width_px: New width.
        height_px: New height.
    """
    method = cv2.INTER_AREA if width_px < image.shape[1] else cv2.INTER_NEAREST
    return cv2.resize(image, (width_px, height_px), interpolation=method).astype(image.dtype, copy=False)


def resize_field(field: RealArray, side: int) -> NDArray[np.float32]:
    """Return the values of a field on a grid of another size. The values keep their unit, such as px of the old grid.

    Args:
        field: Values `(C, H, W)` on a square grid.
        side: New height and width.

    Returns:
        Values `(C, side, side)` float32.
    """
    planes = np.ascontiguousarray(field.transpose(1, 2, 0), dtype=np.float32)
    return resize_image(planes, side, side).reshape(side, side, -1).transpose(2, 0, 1)


def as_data_uri(image: Image) -> str:
    """Return an image as a link that contains it as PNG.

    Args:
        image: Image `(H, W, 3)` uint8, BGR.
    """
    _, content = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return "data:image/png;base64," + base64.b64encode(content.tobytes()).decode()
