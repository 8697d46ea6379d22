"""The optimiser of several networks is that of torch, without torch's compiler."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from microfacial.training.adamw import AdamW

NETWORKS, WEIGHTS, STEPS, DECAY = 4, 301, 30, 0.1


def test_each_network_ends_with_the_weights_that_torch_gives() -> None:
    """Networks rest in some steps, and have rates of their own."""
    random = np.random.default_rng(0)
    weights = torch.randn(NETWORKS, WEIGHTS, generator=torch.Generator().manual_seed(0))
    gradients = torch.zeros_like(weights)
    rows = [row.clone() for row in weights]
    optimiser = AdamW(list(weights), list(gradients), DECAY)
    references = [torch.optim.AdamW([row], weight_decay=DECAY, fused=True) for row in rows]
    for _ in range(STEPS):
        gradients.copy_(torch.from_numpy(random.normal(size=gradients.shape)))
        first, second, alone = random.permutation(NETWORKS)[:3].tolist()
        for numbers, rate in (([first, second], 1e-2), ([alone], 3e-3)):
            optimiser.step(numbers, rate)
            for number in numbers:
                references[number].param_groups[0]["lr"] = rate
                rows[number].grad = gradients[number]
                references[number].step()
    assert all(map(torch.equal, weights, rows))


@pytest.mark.slow
def test_a_step_does_not_import_the_compiler() -> None:
    code = (
        "import sys, torch; from microfacial.training.adamw import AdamW; "
        "AdamW([torch.ones(2)], [torch.ones(2)], 0.1).step([0], 0.1); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
