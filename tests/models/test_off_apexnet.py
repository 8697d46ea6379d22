import numpy as np
import torch
from variants import build_peer, peer_inputs

from microfacial.models.off_apexnet import OFF_APEXNET, OffApexNet
from microfacial.models.ststnet import STSTNET
from microfacial.records import FaceStore


def test_the_inputs_are_horizontal_and_vertical_motion_without_strain(onset_apex_store: FaceStore) -> None:
    both = OFF_APEXNET.make_inputs(onset_apex_store, OFF_APEXNET.settings()).values
    three = STSTNET.make_inputs(onset_apex_store, STSTNET.settings()).values
    assert np.array_equal(both, three[:, :2])


def test_each_stream_has_its_own_weights() -> None:
    network = build_peer("off_apexnet")
    assert isinstance(network, OffApexNet)
    maps = peer_inputs("off_apexnet")[:, :1]
    assert not torch.equal(network.horizontal(maps), network.vertical(maps))
