import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from microfacial.models.layers.pooling import MaxPool2d


def pool(layer: nn.Module, maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the result of a layer, and the gradient of the sum of its squares."""
    leaf = maps.clone().requires_grad_()
    pooled = layer(leaf)
    (gradient,) = torch.autograd.grad((pooled**2).sum(), leaf)
    return pooled, gradient


@pytest.mark.parametrize("shape", [(2, 3, 30, 30), (1, 16, 14, 15), (3, 1, 7, 9)])
@pytest.mark.parametrize("sides", [(2, None, 0), (3, None, 1), (3, 2, 1)])
def test_the_result_and_the_gradient_are_those_of_torch(
    shape: tuple[int, ...], sides: tuple[int, int | None, int]
) -> None:
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(0)).relu()  # many equal values
    expected, gradient = pool(nn.MaxPool2d(*sides), maps)
    pooled, own_gradient = pool(MaxPool2d(*sides), maps)
    assert torch.equal(pooled, expected)
    assert torch.equal(own_gradient, gradient)
    assert pooled.is_contiguous()
    assert own_gradient.is_contiguous()


def test_networks_that_compute_together_pool_as_each_of_them_alone() -> None:
    network = nn.Sequential(nn.Conv2d(2, 9, 3), MaxPool2d(2))
    weights = {name: torch.stack([value, 2 * value]) for name, value in network.named_parameters()}
    maps = torch.randn(2, 4, 2, 12, 12, generator=torch.Generator().manual_seed(0))

    def compute(tensors: dict[str, Tensor], inputs: Tensor) -> Tensor:
        return torch.as_tensor(functional_call(network, tensors, (inputs,)))

    together = vmap(compute)(weights, maps)
    for lane in range(2):
        alone = compute({name: value[lane] for name, value in weights.items()}, maps[lane])
        assert torch.allclose(together[lane], alone, atol=1e-6)
    gradients = torch.autograd.grad(together.sum(), list(network.parameters()))
    assert all(gradient.any() for gradient in gradients)
