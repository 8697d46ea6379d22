import numpy as np
import torch
from variants import build_peer

from microfacial.models.rcn_a import RcnA


def test_attention_is_high_where_the_weights_of_the_classifier_find_evidence() -> None:
    network = build_peer("rcn_a")
    assert isinstance(network, RcnA)
    maps = torch.randn(2, 32, 5, 5)
    weights = network.head.weight.detach().numpy().reshape(3, 32, 5, 5)
    for row in range(2):
        evidence = [(weights[k] * maps[row].numpy()).mean(0) for k in range(3)]
        expected = np.mean([(places - places.min()) / (places.max() - places.min()) for places in evidence], axis=0)
        assert np.allclose(network._attend(maps)[row, 0].detach().numpy(), expected, atol=1e-4)


def test_attention_is_zero_for_empty_maps() -> None:
    network = build_peer("rcn_a")
    assert isinstance(network, RcnA)
    assert not network._attend(torch.zeros(1, 32, 5, 5)).any()
