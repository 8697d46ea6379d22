from dataclasses import replace

import numpy as np
import pytest
import torch

from microfacial.errors import ConfigError
from microfacial.models.roi_cnn import RoiCnnSettings
from microfacial.records import Samples
from microfacial.training import FittedNetwork, fit

SETTINGS = RoiCnnSettings(input_px=16, widths=(8, 8, 8, 8), epochs=12, patience=4, learning_rate=3e-3)


def parts(samples: Samples) -> tuple[Samples, Samples]:
    return samples.take(np.arange(16)), samples.take(np.arange(16, 24))


def fitted(samples: Samples, settings: RoiCnnSettings = SETTINGS, seed: int = 3) -> FittedNetwork:
    result = fit(*parts(samples), seed, model="roi_cnn", settings=settings)
    assert isinstance(result, FittedNetwork)
    return result


def test_the_chosen_epoch_has_the_lowest_validation_loss_and_its_weights_are_kept(samples: Samples) -> None:
    result = fitted(samples)
    losses = result.history.validation_loss
    best = int(np.argmin(losses)) + 1
    assert result.chosen == f"epoch {best}"
    shorter = fitted(samples, SETTINGS.model_copy(update={"epochs": best}))
    assert np.array_equal(result.predict(samples.inputs), shorter.predict(samples.inputs))


def test_training_stops_when_patience_runs_out(samples: Samples) -> None:
    result = fitted(samples, SETTINGS.model_copy(update={"epochs": 200, "patience": 2, "learning_rate": 0.03}))
    losses = result.history.validation_loss
    assert len(losses) == int(np.argmin(losses)) + 1 + 2 < 200


def test_another_seed_gives_other_weights(samples: Samples) -> None:
    assert not np.array_equal(fitted(samples).predict(samples.inputs), fitted(samples, seed=4).predict(samples.inputs))


def test_the_caller_s_random_numbers_are_left_alone(samples: Samples) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    fitted(samples)
    assert torch.equal(torch.rand(1), expected)


def test_the_scale_is_that_of_the_training_rows_alone(samples: Samples) -> None:
    training, validation = parts(samples)
    louder = replace(samples, inputs=np.concatenate([training.inputs, 100 * validation.inputs, samples.inputs[24:]]))
    assert np.array_equal(fitted(samples).scale, fitted(louder).scale)
    assert fitted(samples).scale == pytest.approx(np.sqrt((training.inputs**2).mean(axis=(0, 1, 3, 4))), rel=1e-6)


def test_a_loss_that_is_not_finite_stops_with_advice(samples: Samples) -> None:
    with pytest.raises(ConfigError, match=r"diverged in epoch 1 .*Lower the model's learning_rate"):
        fitted(samples, SETTINGS.model_copy(update={"learning_rate": 1e30}))
