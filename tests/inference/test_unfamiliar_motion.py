"""Motion that no model was trained on."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from microfacial.datasets.drawn_motion.draw import draw_motion
from microfacial.datasets.drawn_motion.emotions import EMOTIONS
from microfacial.inference.unfamiliar_motion import find_unfamiliar
from microfacial.records import ONSET_APEX, FaceStore


def store_of(flow: NDArray[np.float32]) -> FaceStore:
    return FaceStore(
        clips=("",),
        crops=np.zeros((1, 2, 28, 28, 3), np.uint8),
        flow=flow[None, None].astype(np.float16),
        windows=(ONSET_APEX,),
        unit="px",
        boxes=np.zeros((1, 0, 4), np.int64),
        regions=(),
    )


def test_drawn_expressions_are_familiar() -> None:
    generator = torch.Generator().manual_seed(5)
    drawn = draw_motion(torch.arange(len(EMOTIONS)).repeat(10), generator, 28).flow[:, 0].numpy()
    familiar = [find_unfamiliar(store_of(flow)) is None for flow in drawn]
    assert np.mean(familiar) >= 0.95


def test_noise_is_unfamiliar() -> None:
    noise = np.random.default_rng(0).normal(size=(2, 28, 28)).astype(np.float32)
    assert "noise" in (find_unfamiliar(store_of(noise)) or "")


@pytest.mark.parametrize("growth", [-1.0, 1.0])
def test_the_motion_of_a_head_that_comes_closer_or_goes_is_unfamiliar(growth: float) -> None:
    rows, columns = np.mgrid[:28, :28].astype(np.float32) - 13.5
    assert "head" in (find_unfamiliar(store_of((growth * 0.1 * np.stack([columns, rows])).astype(np.float32))) or "")
