"""Fixture that trains the tiny network."""

from typing import Any

import pytest

from microfacial.records import Samples, TrainingData
from microfacial.training.fit import fit
from microfacial.training.fitted_network import FittedNetwork
from networks import FitTiny, TinySettings, tiny, training_data_without


@pytest.fixture
def fit_tiny(samples: Samples) -> FitTiny:
    """Train the tiny network on all subjects but one, for at most 12 epochs. Keywords change its settings."""
    settings = TinySettings(epochs=12, patience=4, learning_rate=3e-3, batch_size=16)

    def train(data: TrainingData | None = None, seed: int = 3, **changes: Any) -> FittedNetwork:
        data = data or training_data_without(samples, "b/0", seed)
        (fitted,) = fit([data], model=tiny(), settings=settings.model_copy(update=changes))
        assert isinstance(fitted, FittedNetwork)
        return fitted

    return train
