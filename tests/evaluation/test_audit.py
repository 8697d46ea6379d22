"""Audit: test rows influence no model. Every model and every protocol is checked with the code that the stages run.

The data are two corpora of random clips. Each test makes values that must not matter very large, wrong or NaN, and
checks that no bit of the result changes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from audit_cases import (
    LOUD,
    OPTIONS,
    PROTOCOLS,
    WITH_PRIOR,
    changed,
    chunk_with,
    fold_with_most_test_rows,
    numbered,
    run,
    run_unchanged,
    same,
    samples_of,
    settings_of,
    weights_of_fold,
)
from microfacial.evaluation.folds import chunk_plans, train_chunk
from microfacial.evaluation.protocols import plan_folds
from microfacial.models import MODELS, Network
from microfacial.models.lookup import Model
from microfacial.models.prior import load_prior
from microfacial.records import Fitted, TrainingData
from microfacial.settings import Section
from microfacial.training import fit as training
from microfacial.training.fit import Predict, Watch, fit
from microfacial.training.lanes import Lane, prepare_lane
from microfacial.training.stack import NetworkStack

NETWORKS = [name for name in MODELS if isinstance(MODELS[name], Network)]
every_model = pytest.mark.parametrize("model", MODELS)
every_network = pytest.mark.parametrize("model", NETWORKS)
every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
every_option = pytest.mark.parametrize("option", OPTIONS)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- data that fit receives -------------------------------------------------------------------------------------------


@dataclass
class Recorder:
    """A `fit` that records the training data it receives."""

    seen: list[TrainingData] = field(default_factory=list)

    def __call__(
        self, chunk: Sequence[TrainingData], *, model: Model, settings: Section, watch: Watch | None
    ) -> list[Fitted]:
        self.seen += chunk
        return fit(chunk, model=model, settings=settings, watch=watch)


@every_protocol
def test_fit_receives_only_the_training_rows_of_its_fold(protocol: str) -> None:
    samples = numbered(samples_of("mlp"))
    plans = plan_folds(samples, PROTOCOLS[protocol])
    recorder, settings = Recorder(), settings_of("mlp", epochs=1, flip=False, test_time_flip=False)
    for chunk in chunk_plans(plans, 3):
        train_chunk(samples, chunk, "mlp", settings, fit=recorder)
    for plan, data in zip(plans, recorder.seen, strict=True):
        rows = data.samples.inputs[:, 0].astype(np.int64) - 1
        assert np.array_equal(rows, plan.training_rows)
        assert not set(rows) & set(plan.test_rows)
        assert not set(samples.subjects[rows]) & set(samples.subjects[plan.test_rows])
        for received, all_rows in ((data.samples.labels, samples.labels), (data.samples.clips, samples.clips)):
            assert np.array_equal(received, all_rows[rows])
        assert (data.seed, data.validation_fold.tolist()) == (plan.seed, plan.validation_fold.tolist())


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[Lane]:
    """Record the lanes that training creates."""
    seen: list[Lane] = []

    def record(*arguments: Any) -> Lane:
        seen.append(prepare_lane(*arguments))
        return seen[-1]

    monkeypatch.setattr(training, "prepare_lane", record)
    return seen


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip all epochs. These tests only check the data that training receives."""

    def skip(run: training._Run, epoch: int) -> None:
        run.best_epochs[:] = epoch

    monkeypatch.setattr(training._Run, "advance", skip)


@pytest.mark.usefixtures("untrained")
@every_network
@every_protocol
def test_scale_class_weights_and_co_occurrence_are_those_of_the_training_rows(
    model: str, protocol: str, prepared: list[Lane]
) -> None:
    samples, settings = samples_of(model), settings_of(model, ensemble_size=2, epochs=1, class_weights="inverse")
    chunk = plan_folds(samples, PROTOCOLS[protocol])[:2]
    train_chunk(samples, tuple(chunk), model, settings)
    expected = [(plan, member) for plan in chunk for member in (0, 1)]
    for (plan, member), lane in zip(expected, prepared, strict=True):
        validation_folds = np.unique(plan.validation_fold)
        rows = plan.training_rows[plan.validation_fold != validation_folds[member % len(validation_folds)]]
        assert np.array_equal(plan.training_rows[lane.training_rows.numpy()], rows)
        assert np.array_equal(plan.training_rows[lane.validation_rows.numpy()], np.setdiff1d(plan.training_rows, rows))
        inputs = samples.inputs[rows].astype(np.float64)
        channels = np.moveaxis(inputs, -3, 0).reshape(inputs.shape[-3], -1)
        assert lane.scale.numpy() == pytest.approx(np.sqrt((channels**2).mean(axis=1)), rel=1e-6)
        frequency = np.array([(samples.labels[rows] == label).mean() for label in range(3)])
        inverse = np.divide(1, frequency, out=np.zeros(3), where=frequency > 0)
        assert lane.class_weights.numpy() == pytest.approx(inverse / (frequency > 0).sum(), rel=1e-6)
        active = samples.active[rows].astype(np.float64)
        assert lane.task.co_occurrence == pytest.approx(active.T @ active / len(rows), rel=1e-6)


# --- rows that influence a fold ---------------------------------------------------------------------------------------


with_prior = pytest.mark.parametrize(("model", "keys"), WITH_PRIOR.items())


@with_prior
def test_test_rows_change_nothing_in_models_that_use_the_motion_prior(model: str, keys: dict[str, Any]) -> None:
    samples = samples_of(model)
    name, rows = fold_with_most_test_rows(samples, "loso")
    labels = changed(samples.labels, rows, (samples.labels[rows] + 1) % 3)
    assert same(
        run(samples, name, model, "loso", **keys), run(replace(samples, labels=labels), name, model, "loso", **keys)
    )


@with_prior
def test_test_rows_change_neither_the_trained_weights_nor_the_prior_in_them(model: str, keys: dict[str, Any]) -> None:
    samples, settings = samples_of(model), settings_of(model, **keys)
    name, rows = fold_with_most_test_rows(samples, "composite")
    corrupted = replace(
        samples,
        inputs=changed(samples.inputs, rows, LOUD * samples.inputs[rows] + 1),
        labels=changed(samples.labels, rows, (samples.labels[rows] + 1) % 3),
        active=changed(samples.active, rows, ~samples.active[rows]),
    )
    honest, other = (weights_of_fold(data, name, model, settings) for data in (samples, corrupted))
    assert honest.keys() == other.keys()
    assert all(np.array_equal(honest[array], other[array]) for array in honest)
    (prior,) = (values for array, values in honest.items() if array.endswith(("first.start_weight", "first.weight")))
    assert np.array_equal(prior.reshape(256, 392), load_prior().arrays["first.weight"])


@every_model
@every_protocol
def test_labels_of_test_rows_change_only_the_truth(model: str, protocol: str) -> None:
    """Other folds of the chunk train on these rows in lockstep, and their validation folds may change in size."""
    samples = samples_of(model)
    name, rows = fold_with_most_test_rows(samples, protocol)
    corrupted = replace(samples, labels=changed(samples.labels, rows, (samples.labels[rows] + 1) % 3))
    assert same(run_unchanged(name, model, protocol), run(corrupted, name, model, protocol))


@every_model
@every_protocol
def test_inputs_and_action_units_of_test_rows_change_only_their_own_predictions(model: str, protocol: str) -> None:
    samples = samples_of(model)
    name, rows = fold_with_most_test_rows(samples, protocol)
    others = rows[1:]
    corrupted = replace(
        samples,
        inputs=changed(samples.inputs, others, LOUD * samples.inputs[others] + 1),
        active=changed(samples.active, rows, ~samples.active[rows]),
    )
    honest, other = run_unchanged(name, model, protocol), run(corrupted, name, model, protocol)
    assert np.array_equal(honest.probabilities[0], other.probabilities[0])
    assert (honest.chosen, honest.history) == (other.chosen, other.history)


@every_model
def test_the_prediction_of_a_clip_does_not_depend_on_other_clips(model: str) -> None:
    """Only the last bits may differ: the number of rows changes the order of sums."""
    samples = samples_of(model)
    rows = np.arange(14)
    data = TrainingData(samples=samples.take(rows), validation_fold=rows % 2, seed=0)
    (fitted,) = fit([data], model=model, settings=settings_of(model))
    inputs = samples.inputs[14:]
    alone = np.concatenate([fitted.predict(inputs[row : row + 1]) for row in range(len(inputs))])
    assert fitted.predict(inputs) == pytest.approx(alone, abs=1e-6)
    assert np.array_equal(fitted.predict(inputs), fitted.predict(inputs))
    assert fitted.predict(inputs[::-1].copy())[::-1] == pytest.approx(alone, abs=1e-6)


@every_network
def test_validation_rows_only_choose_the_epoch(model: str, prepared: list[Lane]) -> None:
    samples, settings = samples_of(model), settings_of(model, patience=9)
    plan = plan_folds(samples, PROTOCOLS["composite"])[0]
    validation_rows = plan.training_rows[plan.validation_fold == np.unique(plan.validation_fold)[0]]
    corrupted = replace(
        samples,
        inputs=changed(samples.inputs, validation_rows, LOUD * samples.inputs[validation_rows] + 1),
        labels=changed(samples.labels, validation_rows, (samples.labels[validation_rows] + 1) % 3),
        active=changed(samples.active, validation_rows, ~samples.active[validation_rows]),
    )
    training_data = [
        TrainingData(samples=rows.take(plan.training_rows), validation_fold=plan.validation_fold, seed=plan.seed)
        for rows in (samples, corrupted)
    ]
    (honest,), (other,) = (fit([data], model=model, settings=settings) for data in training_data)
    assert honest.history.training_loss == other.history.training_loss
    assert honest.history.validation_loss != other.history.validation_loss
    lane, other_lane = prepared
    assert torch.equal(lane.scale, other_lane.scale)
    assert torch.equal(lane.class_weights, other_lane.class_weights)


# --- all training options ---------------------------------------------------------------------------------------------


@every_option
def test_labels_of_test_rows_change_nothing_with_any_option(option: str) -> None:
    samples = samples_of("mlp")
    for name, protocol in (("a/0", "loso"), ("a/1", "composite"), ("b/1", "composite")):
        rows = np.flatnonzero(samples.subjects == name)
        for shift in (1, 2):
            corrupted = replace(samples, labels=changed(samples.labels, rows, (samples.labels[rows] + shift) % 3))
            other = run(corrupted, name, "mlp", protocol, **OPTIONS[option])
            assert same(run_unchanged(name, "mlp", protocol, option), other)


def test_shapes_do_not_depend_on_labels_of_test_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shapes change the order of sums. Here the other folds train and validate on other numbers of rows."""
    samples, seen = samples_of("mlp"), set[tuple[int, ...]]()
    logits = NetworkStack.logits

    def record(stack: NetworkStack, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        seen.add(tuple(inputs.shape))
        return logits(stack, tensors, inputs)

    monkeypatch.setattr(NetworkStack, "logits", record)
    rows = np.flatnonzero(samples.subjects == "b/1")
    shapes, longest = [], []
    for shift in (0, 2):
        labelled = replace(samples, labels=changed(samples.labels, rows, (samples.labels[rows] + shift) % 3))
        plans = plan_folds(labelled, PROTOCOLS["composite"])
        longest.append(max(int((plan.validation_fold == 0).sum()) for plan in plans))
        run(labelled, "b/1", "mlp", "composite", batch_size=64)
        shapes.append(seen.copy())
        seen.clear()
    assert longest[0] != longest[1]
    assert shapes[0] == shapes[1]


@every_option
def test_inputs_of_test_rows_change_only_their_own_predictions_with_any_option(option: str) -> None:
    samples = samples_of("mlp")
    rows = np.flatnonzero(samples.subjects == "a/1")
    corrupted = replace(
        samples, inputs=changed(samples.inputs, rows[1:], np.full_like(samples.inputs[rows[1:]], np.nan))
    )
    settings = settings_of("mlp", **OPTIONS[option])
    (plan,) = chunk_with(samples, "a/1", PROTOCOLS["composite"], size=1)  # other folds would train on NaN
    (honest,), (other,) = (train_chunk(data, (plan,), "mlp", settings) for data in (samples, corrupted))
    assert np.array_equal(honest.probabilities[0], other.probabilities[0])
    assert (honest.chosen, honest.history) == (other.chosen, other.history)
    assert np.isnan(other.probabilities[1:]).all()


@every_option
def test_the_oracle_changes_nothing_with_any_option(option: str) -> None:
    samples = samples_of("mlp")
    settings = settings_of("mlp", **OPTIONS[option])
    chunk = chunk_with(samples, "a/1", PROTOCOLS["composite"], 8)
    fit_chunk = partial(fit, model="mlp", settings=settings)
    training_data = [
        TrainingData(samples=samples.take(plan.training_rows), validation_fold=plan.validation_fold, seed=plan.seed)
        for plan in chunk
    ]

    def watch(fold: int, epoch: int, predict: Predict) -> None:
        assert 0 <= fold < len(chunk)
        assert epoch > 0
        predict(samples.inputs)

    blind, watched = fit_chunk(training_data), fit_chunk(training_data, watch=watch)
    for one, other in zip(blind, watched, strict=True):
        assert np.array_equal(one.predict(samples.inputs), other.predict(samples.inputs))
        assert (one.chosen, one.history) == (other.chosen, other.history)
