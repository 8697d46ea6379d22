"""Pictures of one movement for the web page: the face at its apex with regions, its flow, and its strain."""

import cv2
import numpy as np

from microfacial.preprocessing.strain import strain
from microfacial.records import ONSET_APEX, FaceStore
from microfacial.report.flow_colours import (
    MIN_FULL_COLOUR,
    colour_flow,
    colour_strain,
    measure_lengths,
    robust_maximum,
)
from microfacial.report.images import as_data_uri, resize_image

_SIDE_PX = 336
_BOX_COLOUR = (90, 210, 255)  # BGR


def draw_movement(store: FaceStore) -> list[dict[str, str]]:
    """Return the pictures of a movement.

    Args:
        store: crops and flow of one clip.

    Returns:
        Pictures with the keys `title` and `image`, which is a link that contains it.
    """
    flow = store.flow[0, store.windows.index(ONSET_APEX), :2].astype(np.float32)
    stretch, (least_flow, least_strain) = strain(flow), MIN_FULL_COLOUR[store.unit]
    full_flow, full_strain = robust_maximum(measure_lengths(flow), least_flow), robust_maximum(stretch, least_strain)
    apex = resize_image(store.crops[0, 1], _SIDE_PX, _SIDE_PX)
    scale = _SIDE_PX / store.crops.shape[2]
    for top, left, bottom, right in np.rint(store.boxes[0] * scale).astype(int).tolist():
        cv2.rectangle(apex, (left, top), (right - 1, bottom - 1), _BOX_COLOUR, 1, cv2.LINE_AA)
    pictures = {
        "Face at the apex, with its regions": apex,
        f"Motion from onset to apex; full colour is {full_flow:.2f} px": _enlarge(colour_flow(flow, full_flow)),
        f"Strain of the skin; brightest is {full_strain:.3f}": _enlarge(colour_strain(stretch, full_strain)),
    }
    return [{"title": title, "image": as_data_uri(image)} for title, image in pictures.items()]


def _enlarge(image: "np.typing.NDArray[np.uint8]") -> "np.typing.NDArray[np.uint8]":
    return resize_image(image, _SIDE_PX, _SIDE_PX)
