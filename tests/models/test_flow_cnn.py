import torch
from torch import nn

from microfacial.models.flow_cnn import FlowCnnSettings, PatchMixer


def test_patches_are_a_convolution_whose_stride_equals_its_side() -> None:
    settings = FlowCnnSettings(patch_px=7, width=32)
    mixer, x = PatchMixer(3, 28, settings).eval(), torch.randn(2, 3, 28, 28)
    weight = mixer.embed.weight.reshape(32, 3, 7, 7)
    convolved = nn.functional.conv2d(x, weight, mixer.embed.bias, stride=7)  # (N, D, 4, 4)
    patches = nn.functional.gelu(convolved).flatten(2).transpose(1, 2).flatten(1)
    assert torch.allclose(mixer(x), nn.functional.gelu(mixer.gather(patches)), atol=1e-5)
