"""Where the face of a clip lies: one similarity transform a clip, from its onset frame to the aligned square.

Per-frame alignment is not offered: landmarks jitter by as much as a micro-expression moves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from microfacial.errors import DatasetError
from microfacial.records import DEMO_CORPUS, Clip, Face
from microfacial.rois import RoiSchemeName, TemplateName, template_boxes
from microfacial.settings import Section


class FacesConfig(Section):
    """The `faces` section of params.yaml."""

    template: TemplateName = "casme2-cropped"
    rois: RoiSchemeName = "mission"
    size_px: int = Field(224, ge=28)  # side of the aligned square


@dataclass(frozen=True)
class Template:
    """The square of a released crop that is kept: its side and place as fractions of the frame's width.

    `corpora` are those whose crops it was made for; crops of different corpora are not registered with each other.
    """

    left: float
    top: float
    side: float
    corpora: frozenset[str]


_TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {
        "casme2-cropped": Template(left=0.05, top=0.14, side=0.90, corpora=frozenset({"casme2", DEMO_CORPUS})),
        "flow-map": Template(left=0.0, top=0.0, side=1.0, corpora=frozenset({"casme2", "samm", "smic"})),
    }
)


def locate(clip: Clip, frame: NDArray[np.uint8], config: FacesConfig) -> Face:
    """Place the corpus crop's template on the onset frame, `(H, W, 3)`.

    Raises:
        DatasetError: the template was not made for such frames.
    """
    template, (height, width) = _TEMPLATES[config.template], frame.shape[:2]
    if clip.corpus not in template.corpora or (template.top + template.side) * width > height:
        raise DatasetError(
            f"{clip.id}: template {config.template} does not fit {width}×{height} frames of {clip.corpus}; it is for "
            f"crops of {', '.join(sorted(template.corpora))}. Choose another faces.template"
        )
    scale = config.size_px / (template.side * width)
    # Pixel centres lie at +½, so that a transform of scale 1 and offset 0 is the identity.
    shift = [0.5 * scale - 0.5 - scale * start * width for start in (template.left, template.top)]
    transform = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
    boxes = template_boxes(config.template, config.rois, config.size_px)
    return Face(clip=clip.id, transform=transform, boxes=boxes, source="template", confidence=None)


def align(frame: NDArray[np.uint8], face: Face, size_px: int) -> NDArray[np.uint8]:
    """Warp a frame, `(H, W, …)`, onto the aligned square, `(size_px, size_px, …)`."""
    warped = cv2.warpAffine(
        frame, face.transform, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, dtype=np.uint8)
