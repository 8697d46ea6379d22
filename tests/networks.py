"""A network that trains in an instant. It has everything that a real one may have: dropout, a buffer, a scalar."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from microfacial.models import Network, Task
from microfacial.models.layers.dropout import Dropout
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FaceStore, Inputs, Samples, TrainingData


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


def known_without(samples: Samples, subject: str, seed: int) -> TrainingData:
    """Return the rows of all other subjects, in three validation folds by subject."""
    rows = np.flatnonzero(samples.subjects != subject)
    _, person = np.unique(samples.subjects[rows], return_inverse=True)
    return TrainingData(samples=samples.take(rows), validation_fold=person % 3, seed=seed)
