from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from microfacial.datasets.action_units import SCORED_UNITS
from microfacial.evaluation.folds import train_folds
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.models.mlp import MlpSettings
from microfacial.models.prior import load_prior
from microfacial.records import LearningTask, Samples
from microfacial.training.fit import fit, restore
from microfacial.training.losses import lane_unit_losses, unit_class_weights
from networks import training_data_without

UNITS = len(SCORED_UNITS)
QUICK = MlpSettings(epochs=2, hidden=4)
CONFIG = TrainConfig(protocol="composite", task="units")


@pytest.fixture
def annotated(samples: Samples) -> Samples:
    units = (np.random.default_rng(2).random((25, UNITS)) < 0.4).astype(np.float32)
    units[3] = np.nan
    return replace(samples, units=units)


def learn(samples: Samples, settings: MlpSettings) -> np.ndarray:
    (fitted,) = fit([training_data_without(samples, "a/1", 0)], model="mlp", settings=settings)
    return fitted.predict(samples.inputs)


def test_the_loss_of_units_is_the_weighted_mean_of_the_log_loss_of_known_states() -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 3, generator=random)
    targets = (torch.rand(2, 5, 3, generator=random) < 0.5).float()
    targets[0, 1, 2] = torch.nan
    mask = torch.tensor([[1.0, 1, 1, 1, 0], [1, 1, 1, 1, 1]])
    weights = torch.tensor([[1.0, 2.0], [0.5, 1.5], [1.0, 1.0]]).expand(2, -1, -1)
    losses = lane_unit_losses(logits, targets, mask, weights)
    for lane in range(2):
        known = ~targets[lane].isnan() & mask[lane, :, None].bool()
        truth = targets[lane].nan_to_num().long()
        chosen = weights[lane].gather(1, truth.T).T
        chances = logits[lane].sigmoid()
        expected = log_loss(truth[known], chances[known], sample_weight=chosen[known], labels=[0, 1])
        assert losses[lane].item() == pytest.approx(expected, abs=1e-6)


def test_without_known_states_the_loss_is_zero_and_has_no_gradient() -> None:
    logits = torch.zeros(1, 2, 3, requires_grad=True)
    loss = lane_unit_losses(logits, torch.full((1, 2, 3), torch.nan), torch.ones(1, 2), torch.ones(1, 3, 2))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.tolist() == [0]
    assert (gradient == 0).all()


def test_weights_of_states_come_from_annotated_rows() -> None:
    units = np.array([[1, np.nan], [0, np.nan], [0, np.nan], [0, np.nan], [np.nan, np.nan]], np.float32)
    assert unit_class_weights(units, "inverse") == pytest.approx(np.array([[2 / 3, 2], [0, 0]]))
    assert unit_class_weights(units, "none")[0] == pytest.approx([1, 1])


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_network_learns_units_and_is_restored(annotated: Samples, early_stopping: bool) -> None:
    rows = replace(annotated, task="units")
    assert rows.units is not None
    rows = replace(rows, inputs=rows.inputs + 3 * np.nan_to_num(rows.units[:, :1, None, None, None]))
    settings = MlpSettings(epochs=40, hidden=16, early_stopping=early_stopping, patience=40)
    (fitted,) = fit([training_data_without(rows, "a/1", 0)], model="mlp", settings=settings)
    predicted = fitted.predict(rows.inputs)
    assert predicted.shape == (25, UNITS)
    test = rows.subjects == "a/1"
    assert rows.units is not None
    moves = rows.units[test, 0] == 1
    assert predicted[test, 0][moves].min() > predicted[test, 0][~moves].max()
    restored = restore("mlp", settings, fitted.checkpoint())
    assert np.array_equal(restored.predict(rows.inputs), predicted)
    assert fitted.history.validation_uar == ()


def test_units_beside_classes_change_the_training_and_keep_the_probabilities_of_classes(annotated: Samples) -> None:
    alone, together = (learn(annotated, QUICK.model_copy(update={"unit_weight": weight})) for weight in (0.0, 1.0))
    assert together.shape == alone.shape == (25, 3)
    assert together.sum(axis=1) == pytest.approx(np.ones(25))
    assert not np.allclose(together, alone)


def test_without_a_weight_annotations_change_nothing(annotated: Samples) -> None:
    assert np.array_equal(learn(annotated, QUICK), learn(replace(annotated, units=None), QUICK))


@pytest.mark.parametrize("task", ["units", "classes"])
def test_units_of_the_test_subject_change_no_prediction(annotated: Samples, task: LearningTask) -> None:
    def predict(samples: Samples) -> np.ndarray:
        plans = [plan for plan in plan_folds(samples, CONFIG) if plan.name == "a/1"]
        settings = QUICK.model_copy(update={"unit_weight": 1.0})
        (fold,) = train_folds(samples, plans, "mlp", settings, processes=1)
        return fold.probabilities

    rows = replace(annotated, task=task)
    assert rows.units is not None
    changed = rows.units.copy()
    changed[rows.subjects == "a/1"] = 1
    assert np.array_equal(predict(rows), predict(replace(rows, units=changed)))
    changed[:4] = 1 - changed[:4]
    assert not np.array_equal(predict(rows), predict(replace(rows, units=changed)))


def test_a_network_that_starts_from_the_prior_starts_with_the_units_of_the_prior(annotated: Samples) -> None:
    maps = np.random.default_rng(0).normal(size=(25, 2, 28, 28)).astype(np.float32)
    rows = replace(annotated, task="units", inputs=maps)
    settings = MlpSettings(start="motion_prior", epochs=1, learning_rate=1e-12, dropout=0)
    (fitted,) = fit([training_data_without(rows, "a/1", 0)], model="mlp", settings=settings)
    prior = load_prior()
    columns = [prior.units.index(unit) for unit in SCORED_UNITS]
    assert fitted.predict(maps) == pytest.approx(prior.unit_probabilities(maps)[:, columns], abs=1e-3)
