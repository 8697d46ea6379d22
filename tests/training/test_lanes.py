"""The scale of inputs, the validation folds of an ensemble, and the co-occurrence of regions."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from microfacial.records import Samples
from microfacial.training.lanes import channel_scale, prepare_lane
from networks import FitTiny, TinySettings, tiny, training_data_without


def test_the_scale_depends_on_the_training_rows_only(fit_tiny: FitTiny, samples: Samples) -> None:
    data = training_data_without(samples, "b/0", 3)
    training, _ = data.split(0)
    factor = np.where((data.validation_fold == 0)[:, None, None, None, None], np.float32(100), np.float32(1))
    louder = replace(data, samples=replace(data.samples, inputs=data.samples.inputs * factor))
    assert np.array_equal(fit_tiny(data).scale, fit_tiny(louder).scale)
    assert fit_tiny(data).scale[0] == pytest.approx(np.sqrt((training.inputs**2).mean(axis=(0, 1, 3, 4))), rel=1e-6)


def test_flat_inputs_have_one_channel(fit_tiny: FitTiny, samples: Samples) -> None:
    flat = replace(samples, inputs=samples.inputs.reshape(25, -1))
    fitted = fit_tiny(training_data_without(flat, "b/0", 3))
    assert fitted.scale.shape == (1, 1)
    assert fitted.predict(flat.inputs).shape == (25, 3)


def test_the_scale_of_a_channel_without_motion_is_not_zero() -> None:
    inputs = np.zeros((2, 3, 4, 4), dtype=np.float32)
    inputs[:, 1] = 2
    scale = channel_scale(inputs, np.arange(2))
    assert scale.dtype == np.float32
    assert scale[1] == 2
    assert (scale[[0, 2]] > 0).all()


def test_networks_of_an_ensemble_validate_on_the_validation_folds_in_turn(samples: Samples) -> None:
    data = training_data_without(samples, "a/1", 0)
    lanes = [prepare_lane(tiny(), data, member, TinySettings()) for member in range(4)]
    for member, lane in enumerate(lanes):
        assert np.array_equal(lane.validation_rows.numpy(), np.flatnonzero(data.validation_fold == member % 3))
        assert np.array_equal(lane.training_rows.numpy(), np.flatnonzero(data.validation_fold != member % 3))
    first, fourth = lanes[0].network.state_dict(), lanes[3].network.state_dict()
    assert not torch.equal(first["hidden.weight"], fourth["hidden.weight"])  # from another seed


def test_co_occurrence_is_the_share_of_training_rows_in_which_two_regions_move_together(samples: Samples) -> None:
    active = np.zeros((25, 2), dtype=np.bool_)
    active[:8, 0] = active[4:12, 1] = True
    data = training_data_without(replace(samples, active=active), "b/0", 0)
    lane = prepare_lane(tiny(), data, 0, TinySettings(early_stopping=False))
    assert lane.task.co_occurrence == pytest.approx(np.array([[8, 4], [4, 8]]) / 24)
