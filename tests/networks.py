"""A tiny network that trains in milliseconds and has dropout, a buffer and a scalar parameter, and data to train it."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from microfacial.models import Network, Task
from microfacial.models.layers.dropout import Dropout
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FaceStore, Inputs, Samples, TrainingData
from microfacial.training.fitted_network import FittedNetwork
from microfacial.training.lanes import Lane

FitTiny = Callable[..., FittedNetwork]


class TinySettings(OptimiserSettings):
    """The plainest value of every setting, independent of the defaults."""

    early_stopping: bool = True
    batch_size: int = 16
    weight_decay: float = 1e-2
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: int = 0
    label_smoothing: float = 0.0
    flip: bool = False
    test_time_flip: bool = False
    dropout: float = 0.3


class TinyNet(nn.Module):
    gate: Tensor

    def __init__(self, task: Task, settings: TinySettings) -> None:
        super().__init__()
        self.register_buffer("gate", torch.tensor(1 + task.co_occurrence.mean(), dtype=torch.get_default_dtype()))
        self.fusion = nn.Parameter(torch.tensor(0.5))
        self.hidden = nn.Linear(int(np.prod(task.shape)), 12)
        self.first, self.second = Dropout(settings.dropout), Dropout(settings.dropout)
        self.head = nn.Linear(12, task.classes)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.second(self.hidden(self.first(x.flatten(1))).relu())  # (N, 12)
        logits: Tensor = self.head(hidden) * self.fusion.sigmoid() * self.gate  # (N, K)
        return logits


def make_inputs(store: FaceStore, settings: TinySettings) -> Inputs:
    return Inputs(values=store.flow[:, 0].astype(np.float32))


def tiny(lockstep: bool = True) -> Network[TinySettings]:
    return Network(
        settings=TinySettings,
        presets={"default": {}},
        make_inputs=make_inputs,
        build=TinyNet,
        lockstep=lambda _: lockstep,
    )


def training_data_without(samples: Samples, subject: str, seed: int) -> TrainingData:
    """All rows but those of one subject, in three validation folds by subject."""
    rows = np.flatnonzero(samples.subjects != subject)
    _, subjects = np.unique(samples.subjects[rows], return_inverse=True)
    return TrainingData(samples=samples.take(rows), validation_fold=subjects % 3, seed=seed)


def make_lane(settings: TinySettings, rows: int = 10, seed: int = 0) -> Lane:
    """A tiny network that trains on random rows of three classes and validates on none."""
    task = Task(shape=(1, 3, 4, 4), classes=3, co_occurrence=np.zeros((1, 1), np.float32))
    return Lane(
        task=task,
        network=TinyNet(task, settings),
        inputs=torch.randn(rows, 1, 3, 4, 4, generator=torch.Generator().manual_seed(seed)),
        labels=torch.arange(rows) % 3,
        training_rows=torch.arange(rows),
        validation_rows=torch.empty(0, dtype=torch.int64),
        scale=torch.full((3,), 1.5),
        class_weights=torch.tensor([0.5, 1.0, 1.5]),
        seed=seed,
    )
