"""Fit one model on the known rows of one or more folds. Held-out rows never come here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from microfacial.errors import ConfigError
from microfacial.metrics import confusion, uar
from microfacial.models import MODELS, Estimator, Network, Task
from microfacial.records import Fitted, History, Known, Samples
from microfacial.settings import OptimiserSettings, Section


def fit(chunk: Sequence[Known], *, model: str, settings: Section) -> list[Fitted]:
    """Fit a variant by name on each fold of a chunk; the same seeds give the same result on the same processor."""
    match MODELS[model]:
        case Estimator() as estimator:
            return [estimator.fit(known, settings) for known in chunk]
        case Network() as network:
            assert isinstance(settings, OptimiserSettings)
            return [_fit_network(network, known, settings) for known in chunk]


@dataclass(frozen=True)
class FittedNetwork:
    """A network with the weights of its chosen epoch. `scale` is the training rows' root mean square per channel."""

    network: nn.Module
    scale: NDArray[np.float32]
    chosen: str
    history: History

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities `(n, K)`."""
        self.network.eval()
        with torch.inference_mode():
            return np.asarray(self.network(_scaled(inputs, self.scale)).softmax(1).double().numpy())

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        """The weights and the scale."""
        return {"scale": self.scale, **{name: value.numpy() for name, value in self.network.state_dict().items()}}


class _BestEpoch:
    """The epoch with the lowest validation loss so far, and its weights."""

    def __init__(self) -> None:
        self.number = 0
        self.loss = float("inf")
        self.weights: dict[str, Tensor] = {}

    def offer(self, number: int, loss: float, network: nn.Module) -> None:
        """Take this epoch if it is the best one.

        Raises:
            ConfigError: the loss is not finite.
        """
        if not np.isfinite(loss):
            raise ConfigError(f"training diverged in epoch {number} (loss {loss}). Lower the model's learning_rate")
        if loss < self.loss:
            self.number, self.loss = number, loss
            self.weights = {name: value.clone() for name, value in network.state_dict().items()}


def _fit_network(variant: Network, known: Known, settings: OptimiserSettings) -> FittedNetwork:
    """Train until the validation loss stops falling; keep the weights of the epoch where it was lowest."""
    training, validation = known.split(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(known.seed)  # initial weights, order of rows, dropout
        network = variant.build(_describe(training), settings)
        scale = _channel_scale(training.inputs)
        criterion = nn.CrossEntropyLoss(_class_weights(training))
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        train_rows, validation_rows = (_tensors(part, scale) for part in (training, validation))
        best, curves = _BestEpoch(), []
        for epoch in range(1, settings.epochs + 1):
            loss = _train_epoch(network, *train_rows, criterion, optimiser, settings.batch_size)
            validation_loss, validation_uar = _validate(network, *validation_rows, criterion)
            curves.append((loss, validation_loss, validation_uar))
            best.offer(epoch, validation_loss, network)
            if epoch - best.number >= settings.patience:
                break
    network.load_state_dict(best.weights)
    losses, validation_losses, validation_uars = zip(*curves, strict=True)
    history = History(training_loss=losses, validation_loss=validation_losses, validation_uar=validation_uars)
    return FittedNetwork(network, scale, f"epoch {best.number}", history)


def _describe(training: Samples) -> Task:
    """What the training rows ask of a network."""
    together = training.active[:, :, None] & training.active[:, None]  # (n, R, R)
    return Task(
        shape=training.inputs.shape[1:],
        classes=len(training.classes),
        co_occurrence=together.mean(axis=0, dtype=np.float32),
    )


def _train_epoch(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    criterion: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch_size: int,
) -> float:
    """One pass over all rows in random order; mean loss of its batches."""
    network.train()
    losses = []
    for rows in torch.split(torch.randperm(len(inputs)), batch_size):
        optimiser.zero_grad()
        loss = criterion(network(inputs[rows]), labels[rows])
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def _validate(network: nn.Module, inputs: Tensor, labels: Tensor, criterion: nn.Module) -> tuple[float, float]:
    """Loss and UAR on the validation rows."""
    network.eval()
    with torch.inference_mode():
        logits = network(inputs)
    counts = confusion(labels.numpy(), logits.argmax(1).numpy(), logits.shape[1])
    return float(criterion(logits, labels)), float(uar(counts))


def _tensors(part: Samples, scale: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
    return _scaled(part.inputs, scale), torch.from_numpy(part.labels)


def _scaled(inputs: NDArray[np.float32], scale: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(inputs / scale[:, None, None])


def _channel_scale(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Root mean square of each channel, `(C,)`, over inputs `(N, …, C, H, W)`; zero motion stays zero."""
    others = tuple(axis for axis in range(inputs.ndim) if axis != inputs.ndim - 3)
    power = np.square(inputs, dtype=np.float64).mean(axis=others)
    return np.asarray(np.sqrt(np.maximum(power, np.finfo(np.float32).tiny)), dtype=np.float32)


def _class_weights(training: Samples) -> Tensor:
    """Inverse class frequencies with mean 1 over the rows; 0 for a class that the training rows lack."""
    counts = np.bincount(training.labels, minlength=len(training.classes))
    present = counts > 0
    weights = np.divide(len(training.labels), counts * present.sum(), out=np.zeros(len(counts)), where=present)
    return torch.tensor(weights, dtype=torch.float32)
