from dataclasses import fields

import numpy as np
import pytest
import torch

from microfacial.models import Task
from microfacial.models.roi_graph import ROI_GRAPH, RoiGraph, RoiGraphSettings
from microfacial.records import Importances


def test_the_graph_explains_its_attention_and_nothing_else() -> None:
    task = Task(shape=(3, 3, 8, 8), classes=4, co_occurrence=np.zeros((3, 3), np.float32))
    network = RoiGraph(task, RoiGraphSettings(input_px=8, width=8, heads=2, depth=2)).eval()
    x = torch.randn(5, 3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert ROI_GRAPH.explain is not None
    with torch.no_grad():
        weights = {name: values.numpy() for name, values in ROI_GRAPH.explain(network, x).items()}
        layers = network.attention(x)
    assert set(weights) == {field.name for field in fields(Importances)} - {"clips", "region_names", "window_names"}
    assert weights["attention"] == pytest.approx(layers.mean((1, 2)).numpy())
    assert weights["attention"].sum(axis=2) == pytest.approx(np.ones((5, 3)))
    assert weights["fusion"] == pytest.approx(np.tile([1.0, 0.0], (5, 1)))
    assert weights["graph_regions"] == pytest.approx(np.full((5, 3), 1 / 3))
    assert weights["windows"].shape == (5, 0)
