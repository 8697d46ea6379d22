import numpy as np
import torch
from variants import K, make_network, make_store

from microfacial.models import MODELS, Task
from microfacial.models.layers.encoders import doubling_widths
from microfacial.models.roi_cnn import RoiCnn, RoiCnnSettings


def test_an_encoder_per_region_depends_on_its_own_region_only() -> None:
    network, inputs = make_network("roi_cnn", {"shared_encoder": False, "encoder": "linear"})
    alone = network.encoder.encoders[2](inputs[:, 2])
    assert torch.allclose(network.encoder(inputs)[:, 2], alone, atol=1e-6)


def test_channels_double_up_to_the_width_in_whole_groups() -> None:
    assert doubling_widths(256) == (32, 64, 128, 256)
    assert doubling_widths(40) == (8, 8, 16, 40)


def test_the_mission_preset_encodes_maps_of_224_px_as_a_256_d_vector_per_region() -> None:
    network, inputs = make_network("roi_cnn", dict(MODELS["roi_cnn"].presets["mission"]), make_store(1, 224))
    assert isinstance(network, RoiCnn)
    assert inputs.shape == (1, 3, 3, 224, 224)
    assert network.encoder(inputs).shape == (1, 3, 256)


def test_normalisation_of_a_group_of_channels_keeps_information_on_a_single_pixel() -> None:
    settings = RoiCnnSettings(input_px=16, widths=(8, 8, 8, 8))
    network = RoiCnn(Task(shape=(1, 3, 16, 16), classes=K, co_occurrence=np.zeros((1, 1), np.float32)), settings).eval()
    first, second = network.encoder(torch.randn(2, 1, 3, 16, 16))
    assert not torch.allclose(first, second)
