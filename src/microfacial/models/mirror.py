"""Mirror images of inputs, in which left and right are exchanged."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # importing torch takes seconds, and `mirror_order` does not need it
    from torch import Tensor


def mirror_order(regions: Sequence[str], *, whole_face: bool) -> tuple[int, ...]:
    """Return the order of the regions in a mirror image, where left and right are exchanged.

    Args:
        regions: names of the regions. Names with the words `left` and `right` come in pairs.
        whole_face: whether the whole face follows the regions. It stays in its place.

    Returns:
        For each region, the index of the region that takes its place.
    """
    swap = {"left": "right", "right": "left"}
    mirrored = [" ".join(swap.get(word, word) for word in name.split()) for name in regions]
    order = tuple(regions.index(name) for name in mirrored)
    return (*order, len(regions)) if whole_face else order


def mirror_image(inputs: "Tensor", order: Sequence[int], shows: Literal["motion", "appearance"]) -> "Tensor":
    """Return the mirror image of inputs.

    Columns are reversed, and left and right regions are exchanged. Motion to the right, which is channel 0 of motion
    inputs, becomes motion to the left. Strain is a magnitude and keeps its sign.

    Args:
        inputs: `(…, C, H, W)`, or `(…, R, C, H, W)` with R regions.
        order: order of the R regions in a mirror image, see `mirror_order`. It is empty for inputs without regions.
        shows: content of the inputs, see `Network.shows`.
    """
    import torch

    mirrored = inputs.flip(-1)
    if order:
        mirrored = mirrored.index_select(-4, torch.tensor(order, device=inputs.device))
    if shows == "motion":
        mirrored.select(-3, 0).neg_()
    return mirrored
