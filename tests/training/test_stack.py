"""Networks whose weights lie in one matrix."""

import numpy as np
import torch

from microfacial.models import Task
from microfacial.training.stack import NetworkStack, flatten_gradients
from networks import TinyNet, TinySettings

TASK = Task(shape=(1, 3, 4, 4), classes=3, co_occurrence=np.full((1, 1), 0.5, np.float32))
INPUTS = torch.randn(2, 40, 1, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def networks() -> list[TinyNet]:
    return [TinyNet(TASK, TinySettings()) for _ in range(2)]


def test_a_stack_predicts_like_its_networks() -> None:
    stacked = networks()
    logits = NetworkStack.of(stacked, "float32").predict(INPUTS)
    for network, inputs, expected in zip(stacked, INPUTS, logits, strict=True):
        assert torch.allclose(network.eval()(inputs), expected, atol=1e-6)


def test_a_member_predicts_like_its_row_of_the_stack() -> None:
    stack = NetworkStack.of(networks(), "float32")
    logits = stack.predict(INPUTS)
    for lane in range(2):
        assert torch.allclose(stack.member(lane).predict(INPUTS[lane, None])[0], logits[lane], atol=1e-6)


def test_parameters_and_buffers_rebuild_the_same_weights() -> None:
    stack = NetworkStack.of(networks(), "float32")
    tensors = {**stack.parameters, **stack.buffers}
    rebuilt = NetworkStack.from_tensors(TinyNet(TASK, TinySettings()), tensors, "float32")
    assert torch.equal(rebuilt.weights, stack.weights)
    assert rebuilt.buffers.keys() == stack.buffers.keys() == {"gate"}  # keys of dropout are not part of a checkpoint
    assert torch.equal(rebuilt.predict(INPUTS), stack.predict(INPUTS))


def test_gradients_lie_in_the_order_of_the_weights() -> None:
    stack = NetworkStack.of(networks(), "float32")
    out = torch.zeros_like(stack.weights)
    flatten_gradients([2 * value for value in stack.parameters.values()], out)
    assert torch.equal(out, 2 * stack.weights)
