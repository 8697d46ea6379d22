"""Regions of interest: which regions a scheme has, and where a template face has them.

Boxes are fractions of the aligned square (top, left, bottom, right). A template holds within one kind of crop only:
released crops are not registered across corpora, and a box that fits one sits 23 px off in another.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from microfacial.errors import ConfigError
from microfacial.records import Box

TemplateName = Literal["casme2-cropped", "flow-map"]
RoiSchemeName = Literal["mission", "grid-28"]
Fractions = tuple[float, float, float, float]

ROI_SCHEMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "mission": ("eyes", "eyebrows", "mouth"),
        "grid-28": ("left eye", "right eye", "nose", "left lip corner", "right lip corner"),
    }
)

# Left and right are the image's. grid-28 cuts 28×28 maps into 14×14 blocks on a half-block grid.
_BOXES: Mapping[str, Mapping[str, Fractions]] = MappingProxyType(
    {
        "casme2-cropped": MappingProxyType(
            {
                "eyes": (0.24, 0.10, 0.46, 0.90),
                "eyebrows": (0.10, 0.08, 0.32, 0.92),
                "mouth": (0.62, 0.20, 0.98, 0.80),
            }
        ),
        "flow-map": MappingProxyType(
            {
                "eyes": (5 / 28, 2 / 28, 13 / 28, 26 / 28),
                "eyebrows": (1 / 28, 2 / 28, 9 / 28, 26 / 28),
                "mouth": (16 / 28, 6 / 28, 28 / 28, 22 / 28),
                "left eye": (0, 0, 0.5, 0.5),
                "right eye": (0, 0.5, 0.5, 1),
                "nose": (0.25, 0.25, 0.75, 0.75),
                "left lip corner": (0.5, 0, 1, 0.5),
                "right lip corner": (0.5, 0.5, 1, 1),
            }
        ),
    }
)


def template_boxes(template: TemplateName, scheme: RoiSchemeName, size_px: int) -> tuple[Box, ...]:
    """Boxes of a scheme's regions, in the scheme's order, on an aligned square of `size_px` pixels.

    Raises:
        ConfigError: the template has no such regions.
    """
    table = _BOXES[template]
    missing = [region for region in ROI_SCHEMES[scheme] if region not in table]
    if missing:
        raise ConfigError(f"params.yaml: faces.rois: template {template} has no {missing[0]!r}; choose another scheme")
    return tuple(_scale(table[region], size_px) for region in ROI_SCHEMES[scheme])


def _scale(box: Fractions, size_px: int) -> Box:
    top, left, bottom, right = (round(edge * size_px) for edge in box)
    return top, left, bottom, right
