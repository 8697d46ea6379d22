"""The training loop of most papers, for comparison: one fold after the other, one batch after the other.

It uses `torch.optim.AdamW`, `LambdaLR` and a `DataLoader` over tensors in memory without workers, in float32. The
architecture, untrained weights, epochs, batch size, learning rates, losses, augmentation and choice of the epoch are
those of the package. Max pooling is torch's own. Other random numbers draw the order of rows, dropout and augmentation.
Without them, both train the same network, which a test checks.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from microfacial.models import MODELS, Network, Task
from microfacial.models.layers.parts import PartNetwork
from microfacial.models.layers.pooling import MaxPool2d
from microfacial.models.mirror import mirror_image
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FoldPlan, Samples
from microfacial.training.augmentation import InputLayout, augment, numbers_per_row
from microfacial.training.lanes import channel_scale, member_seeds
from microfacial.training.losses import class_weights


def run_plain(
    samples: Samples, plans: Sequence[FoldPlan], model: str, settings: OptimiserSettings, threads: int
) -> list[NDArray[np.int64]]:
    """Train one fold after the other.

    Args:
        samples: all samples.
        plans: the folds.
        model: name of a network.
        settings: settings of the network.
        threads: threads of torch.

    Returns:
        Predicted classes of the test rows of each fold.
    """
    torch.set_num_threads(threads)
    variant = MODELS[model]
    assert isinstance(variant, Network)
    return [train_fold(samples, plan, variant, settings).argmax(axis=1) for plan in plans]


def train_fold(
    samples: Samples, plan: FoldPlan, variant: Network[Any], settings: OptimiserSettings
) -> NDArray[np.float32]:
    """Train one network on the training rows of a fold.

    Args:
        samples: all samples.
        plan: the fold.
        variant: the network.
        settings: settings of the network.

    Returns:
        Probabilities of the test rows, `(n, K)`.
    """
    initial_seed, seed = member_seeds(plan.seed, 0)
    classes = len(samples.classes)
    layout = InputLayout(shows=variant.shows, windows=samples.windows, mirror=samples.mirror)
    samples_of_fold, validates = samples.take(plan.training_rows), (plan.validation_fold == 0) & settings.early_stopping
    trained, validated = (samples_of_fold.take(np.flatnonzero(rows)) for rows in (~validates, validates))
    scale = channel_scale(trained.inputs, np.arange(len(trained.labels)))
    shape = (len(scale), 1, 1) if trained.inputs.ndim > 3 else (len(scale),)

    def scaled(inputs: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(inputs / scale.reshape(shape))

    co_occurrence = (trained.active[:, :, None] & trained.active[:, None]).mean(axis=0, dtype=np.float32)
    task = Task(shape=trained.inputs.shape[1:], classes=classes, co_occurrence=co_occurrence, names=samples.classes)
    torch.manual_seed(initial_seed)
    network = variant.build(task, settings)
    _use_pooling_of_torch(network)
    torch.manual_seed(seed)
    weights = torch.from_numpy(class_weights(trained.labels, classes, settings.class_weights)).float()
    criterion = nn.CrossEntropyLoss(weights, label_smoothing=settings.label_smoothing)
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    rows = TensorDataset(scaled(trained.inputs), torch.from_numpy(trained.labels))
    rates = torch.optim.lr_scheduler.LambdaLR(
        optimiser, partial(_rate_factor, settings=settings, steps=-(-len(rows) // settings.batch_size))
    )
    validation_inputs, truth = scaled(validated.inputs), torch.from_numpy(validated.labels)
    lowest, best, since = float("inf"), network.state_dict(), 0
    for _ in range(settings.epochs):
        _set_training(network, True)
        for inputs, labels in DataLoader(rows, settings.batch_size, shuffle=True):
            uniform = torch.rand(1, len(inputs), numbers_per_row(settings, layout))
            targets = nn.functional.one_hot(labels, classes).float()[None]
            changed, shares = augment(inputs[None], targets, uniform, settings, layout)
            optimiser.zero_grad()
            logits = network(changed[0])
            wanted = shares[0] if settings.mixup_alpha else labels
            if logits.ndim == 3:  # (B, parts, K): each part of the network has a loss of its own
                wanted = wanted.repeat_interleave(logits.shape[1], 0)
            loss = criterion(logits.flatten(0, -2), wanted)
            loss.backward()
            if settings.max_gradient_norm is not None:
                nn.utils.clip_grad_norm_(network.parameters(), settings.max_gradient_norm)
            optimiser.step()
            rates.step()
        if not settings.early_stopping:
            continue
        _set_training(network, False)
        with torch.no_grad():
            loss = criterion(network(validation_inputs), truth).item()
        since += 1
        if loss < lowest:
            lowest, since = loss, 0
            best = {name: value.clone() for name, value in network.state_dict().items()}
        if since >= settings.patience:
            break
    if settings.early_stopping:
        network.load_state_dict(best)
    _set_training(network, False)
    test_inputs = scaled(samples.inputs[plan.test_rows])
    images = (
        [test_inputs, mirror_image(test_inputs, layout.mirror, layout.shows)]
        if settings.test_time_flip
        else [test_inputs]
    )
    with torch.no_grad():
        return torch.stack([network(image).softmax(1) for image in images]).mean(0).numpy()


def _use_pooling_of_torch(network: nn.Module) -> None:
    for module in list(network.modules()):
        for name, layer in module.named_children():
            if isinstance(layer, MaxPool2d):
                setattr(module, name, nn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding))


def _set_training(network: nn.Module, training: bool) -> None:
    """Switch between training and prediction. In training, networks of parts return the logits of each part."""
    network.train(training)
    for module in network.modules():
        if isinstance(module, PartNetwork):
            module.returns_parts = training


def _rate_factor(step: int, settings: OptimiserSettings, steps: int) -> float:
    """Factor of the learning rate at a step: a warm-up, then 1 or half a cosine. An epoch has `steps` steps."""
    warmup = settings.warmup_epochs * steps
    if step < warmup:
        return (step + 1) / warmup
    if settings.schedule == "constant":
        return 1.0
    return (1 + math.cos(math.pi * min(1, (step - warmup) / max(1, settings.epochs * steps - warmup)))) / 2
