"""Mirror images exchange left and right."""

import torch

from microfacial.models.mirror import mirror_image, mirror_order


def test_the_mirror_order_swaps_left_and_right_and_keeps_other_regions() -> None:
    regions = ("left eye", "nose", "right eye", "right lip corner", "left lip corner")
    assert mirror_order(regions, whole_face=False) == (2, 1, 0, 4, 3)
    assert mirror_order(regions, whole_face=True) == (2, 1, 0, 4, 3, 5)


def test_motion_to_the_right_becomes_motion_to_the_left_on_the_other_side_of_the_face() -> None:
    face = torch.zeros(3, 4, 6)
    face[0, 2, 1], face[1, 2, 1], face[2, 2, 1] = 2.0, -1.0, 0.5
    mirrored = mirror_image(face, (), "motion")
    assert mirrored[:, 2, 4].tolist() == [-2.0, -1.0, 0.5]
    assert mirrored.abs().sum() == 3.5


def test_a_mirror_image_exchanges_left_and_right_regions_and_keeps_colours() -> None:
    regions = torch.rand(2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    mirrored = mirror_image(regions, (1, 0, 2), "appearance")
    assert torch.equal(mirrored[:, 0], regions[:, 1].flip(-1))
    assert torch.equal(mirrored[:, 2], regions[:, 2].flip(-1))
