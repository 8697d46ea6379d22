"""No held-out row has a say: every model, under every protocol, through the engine that the stages run.

Two corpora of random clips. What must not matter is made loud, wrong or nothing, and no bit may move.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from microfacial.evaluation.folds import chunk_plans, train_chunk
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.models import MODELS, Network, Task
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, Fitted, FoldPlan, FoldResult, Samples, TrainingData
from microfacial.settings import Section
from microfacial.training import fit as training
from microfacial.training.fit import Predict, Watch, chunk_size, fit
from microfacial.training.lockstep import Lane, NetworkStack

PROTOCOLS = {
    name: TrainConfig.model_validate({"protocol": name, "holdout": ["a/1", "b/0"], "validation_folds": 3})
    for name in ("loso", "composite", "leave-one-dataset-out", "holdout")
}
LOUD = 100.0  # what inputs are multiplied by where they must not matter
WHOLE = (3, 28, 28)
ONE_EPOCH: dict[str, Any] = {"epochs": 1, "batch_size": 8, "members": 1, "early_stopping": True, "warmup_epochs": 0}
TWO_EPOCHS: dict[str, Any] = {**ONE_EPOCH, "epochs": 2, "learning_rate": 0.01}

# Settings that make each model quick, and the shape of one sample, as `make_inputs` would give it.
TINY: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "majority": ({}, (0,)),
    "linear_svm": ({"strengths": [1e-3, 1e-1], "inner_folds": 2}, (3, 4, 4)),
    "logistic_regression": ({"strengths": [1e-3, 1e-1], "inner_folds": 2, "components": 5}, (3, 4, 4)),
    "rgb": ({**TWO_EPOCHS, "width": 8}, (3, 16, 16)),
    "flow_cnn": ({**TWO_EPOCHS, "input_px": 14, "patch_px": 7, "width": 8}, (3, 14, 14)),
    "roi_cnn": ({**TWO_EPOCHS, "widths": [8, 8, 8, 8]}, (2, 3, 8, 8)),
    "roi_graph": ({**TWO_EPOCHS, "adjacency": "action-units", "width": 8, "heads": 2}, (2, 3, 4, 4)),
    "roi_transformer": ({**TWO_EPOCHS, "width": 8, "heads": 2}, (4, 2, 3, 4, 4)),
    "hybrid": ({**TWO_EPOCHS, "adjacency": "action-units", "width": 8, "heads": 2}, (5, 2, 3, 4, 4)),
    "mlp": ({**TWO_EPOCHS, "hidden": 8}, (3, 4, 4)),
    "ststnet": (ONE_EPOCH, WHOLE),
    "off_apexnet": (ONE_EPOCH, (2, 28, 28)),
    "sssnet": (ONE_EPOCH, (3, 64, 64)),
    "rcn_a": ({**ONE_EPOCH, "width": 8, "pooled": 2}, WHOLE),
    "htnet": ({**ONE_EPOCH, "width": 6}, WHOLE),
}
LEVERS: dict[str, dict[str, Any]] = {
    "members": {"members": 3},
    "all train": {"early_stopping": False},
    "early stopping": {"patience": 4, "epochs": 30, "learning_rate": 0.03, "weight_decay": 0.0},
    "flips": {"flip": True, "test_time_flip": True},
    "mixtures in one batch": {"mixup": 0.4, "batch_size": 64},
    "mixtures in many batches": {"mixup": 0.4, "batch_size": 4},
    "shifts and jitter": {"shift_px": 1, "jitter": 0.3},
    "averages": {"averaging": 0.9, "max_gradient_norm": 0.1, "schedule": "cosine", "warmup_epochs": 1},
    "focal": {"loss": "focal", "class_weights": "root", "label_smoothing": 0.1},
    "all together": {"members": 3, "flip": True, "test_time_flip": True, "mixup": 0.4, "shift_px": 1, "averaging": 0.9},
}
NETWORKS = [name for name in MODELS if isinstance(MODELS[name], Network)]
every_model = pytest.mark.parametrize("model", MODELS)
every_network = pytest.mark.parametrize("model", NETWORKS)
every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
every_lever = pytest.mark.parametrize("lever", LEVERS)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def settings_of(model: str, **changes: Any) -> Section:
    variant = MODELS[model]
    return variant.settings.model_validate({**variant.presets["default"], **TINY[model][0], **changes})


@cache
def samples_of(model: str) -> Samples:
    """Four subjects of corpus a, three of corpus b, with one to five clips each; three classes."""
    random = np.random.default_rng(0)
    shape = TINY[model][1]
    subjects = np.repeat(["a/0", "a/1", "a/2", "a/3", "b/0", "b/1", "b/2"], [4, 5, 3, 4, 3, 4, 2])
    rows = len(subjects)
    labels = np.array([0, 1, 2, 0, 1, 0, 2, 1, 1, 0, 2, 1, 0, 2, 1, 0, 1, 2, 0, 0, 1, 2, 1, 0, 1])
    regions = shape[-4] if len(shape) > 3 else 0
    return Samples(
        inputs=random.normal(size=(rows, *shape)).astype(np.float32),
        labels=labels,
        subjects=subjects,
        corpora=np.array([name[0] for name in subjects]),
        clips=np.arange(rows).astype(str),
        active=random.random((rows, regions)) < 0.5,
        classes=("x", "y", "z"),
        windows=(ONSET_APEX, *PHASE_WINDOWS)[-shape[0] :] if len(shape) == 5 else (),
        mirror=tuple(range(regions))[::-1],
    )


def numbered(samples: Samples) -> Samples:
    """Inputs that are nothing but the number of their row, from 1."""
    numbers = np.arange(1, len(samples.labels) + 1, dtype=np.float32)
    return replace(samples, inputs=numbers[:, None])


def chunk_with(samples: Samples, name: str, config: TrainConfig, size: int) -> tuple[FoldPlan, ...]:
    """The chunk that a fold trains in."""
    chunks = chunk_plans(plan_folds(samples, config), size)
    return next(chunk for chunk in chunks if name in [plan.name for plan in chunk])


def run(samples: Samples, name: str, model: str, protocol: str, **changes: Any) -> FoldResult:
    """One fold, with the mates it has in the `train` stage."""
    settings = settings_of(model, **changes)
    chunk = chunk_with(samples, name, PROTOCOLS[protocol], chunk_size(model, settings, samples))
    folds = train_chunk(samples, chunk, model, settings)
    return next(fold for fold in folds if fold.plan.name == name)


def held_out_by(samples: Samples, protocol: str) -> tuple[str, NDArray[np.int64]]:
    """The fold with most to hide: its name and its held-out rows."""
    plan = max(plan_folds(samples, PROTOCOLS[protocol]), key=lambda plan: len(plan.test_rows))
    return plan.name, plan.test_rows


def changed(values: NDArray[Any], rows: NDArray[np.int64], by: NDArray[Any]) -> NDArray[Any]:
    copy = values.copy()
    copy[rows] = by
    return copy


def same(one: FoldResult, other: FoldResult) -> bool:
    """Whether two folds agree to the last bit in all but the truth."""
    equal = np.array_equal(one.probabilities, other.probabilities)
    return equal and (one.chosen, one.history) == (other.chosen, other.history)


# --- what is seen -----------------------------------------------------------------------------------------------------


@dataclass
class Recorder:
    """Fits as `training.fit` does, and remembers what it was shown."""

    seen: list[TrainingData] = field(default_factory=list)

    def __call__(
        self, chunk: Sequence[TrainingData], *, model: str, settings: Section, watch: Watch | None
    ) -> list[Fitted]:
        self.seen += chunk
        return fit(chunk, model=model, settings=settings, watch=watch)


@every_protocol
def test_fit_is_shown_the_known_rows_of_its_fold_and_nothing_else(protocol: str) -> None:
    samples = numbered(samples_of("mlp"))
    plans = plan_folds(samples, PROTOCOLS[protocol])
    recorder, settings = Recorder(), settings_of("mlp", epochs=1, flip=False, test_time_flip=False)
    for chunk in chunk_plans(plans, 3):
        train_chunk(samples, chunk, "mlp", settings, fit=recorder)
    for plan, known in zip(plans, recorder.seen, strict=True):
        rows = known.samples.inputs[:, 0].astype(np.int64) - 1
        assert np.array_equal(rows, plan.training_rows)
        assert not set(rows) & set(plan.test_rows)
        assert not set(samples.subjects[rows]) & set(samples.subjects[plan.test_rows])
        for own, all_of_them in ((known.samples.labels, samples.labels), (known.samples.clips, samples.clips)):
            assert np.array_equal(own, all_of_them[rows])
        assert (known.seed, known.validation_fold.tolist()) == (plan.seed, plan.validation_fold.tolist())


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Task, Lane]]:
    """The tasks and lanes that training makes, as it makes them."""
    seen: list[tuple[Task, Lane]] = []
    honest = training._prepare

    def prepare(*arguments: Any) -> Any:
        member = honest(*arguments)
        seen.append((member.task, member.lane))
        return member

    monkeypatch.setattr(training, "_prepare", prepare)
    return seen


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """No epoch is trained: what training is handed is all that counts."""

    def skip(run: training._Run, epoch: int) -> None:
        run.best[:] = epoch

    monkeypatch.setattr(training._Run, "advance", skip)


@pytest.mark.usefixtures("untrained")
@every_network
@every_protocol
def test_scale_class_weights_and_co_occurrence_are_those_of_the_training_rows(
    model: str, protocol: str, prepared: list[tuple[Task, Lane]]
) -> None:
    samples, settings = samples_of(model), settings_of(model, members=2, epochs=1, class_weights="inverse")
    chunk = plan_folds(samples, PROTOCOLS[protocol])[:2]
    train_chunk(samples, tuple(chunk), model, settings)
    expected = [(plan, member) for plan in chunk for member in (0, 1)]
    for (plan, member), (task, lane) in zip(expected, prepared, strict=True):
        parts = np.unique(plan.validation_fold)
        rows = plan.training_rows[plan.validation_fold != parts[member % len(parts)]]
        assert np.array_equal(plan.training_rows[lane.training.numpy()], rows)
        assert np.array_equal(plan.training_rows[lane.validation.numpy()], np.setdiff1d(plan.training_rows, rows))
        inputs = samples.inputs[rows].astype(np.float64)
        channels = np.moveaxis(inputs, -3, 0).reshape(inputs.shape[-3], -1)
        assert lane.scale.numpy() == pytest.approx(np.sqrt((channels**2).mean(axis=1)), rel=1e-6)
        frequency = np.array([(samples.labels[rows] == label).mean() for label in range(3)])
        inverse = np.divide(1, frequency, out=np.zeros(3), where=frequency > 0)
        assert lane.weights.numpy() == pytest.approx(inverse / (frequency > 0).sum(), rel=1e-6)
        active = samples.active[rows].astype(np.float64)
        assert task.co_occurrence == pytest.approx(active.T @ active / len(rows), rel=1e-6)


# --- what has a say ---------------------------------------------------------------------------------------------------


@every_model
@every_protocol
def test_held_out_labels_change_nothing_but_the_truth(model: str, protocol: str) -> None:
    """Not even through mates that train on them in lockstep, whose parts may then have other sizes."""
    samples = samples_of(model)
    name, rows = held_out_by(samples, protocol)
    corrupted = replace(samples, labels=changed(samples.labels, rows, (samples.labels[rows] + 1) % 3))
    assert same(run(samples, name, model, protocol), run(corrupted, name, model, protocol))


@every_model
@every_protocol
def test_held_out_inputs_and_action_units_change_nothing_but_their_own_predictions(model: str, protocol: str) -> None:
    samples = samples_of(model)
    name, rows = held_out_by(samples, protocol)
    others = rows[1:]
    corrupted = replace(
        samples,
        inputs=changed(samples.inputs, others, LOUD * samples.inputs[others] + 1),
        active=changed(samples.active, rows, ~samples.active[rows]),
    )
    honest, other = run(samples, name, model, protocol), run(corrupted, name, model, protocol)
    assert np.array_equal(honest.probabilities[0], other.probabilities[0])
    assert (honest.chosen, honest.history) == (other.chosen, other.history)


@every_model
def test_a_clip_alone_is_predicted_as_among_others(model: str) -> None:
    """But for the last bits: kernels order their sums by how many rows there are."""
    samples = samples_of(model)
    rows = np.arange(14)
    known = TrainingData(samples=samples.take(rows), validation_fold=rows % 2, seed=0)
    (fitted,) = fit([known], model=model, settings=settings_of(model))
    asked = samples.inputs[14:]
    alone = np.concatenate([fitted.predict(asked[row : row + 1]) for row in range(len(asked))])
    assert fitted.predict(asked) == pytest.approx(alone, abs=1e-6)
    assert np.array_equal(fitted.predict(asked), fitted.predict(asked))
    assert fitted.predict(asked[::-1].copy())[::-1] == pytest.approx(alone, abs=1e-6)


@every_network
def test_validation_rows_choose_the_epoch_and_nothing_else(model: str, prepared: list[tuple[Task, Lane]]) -> None:
    samples, settings = samples_of(model), settings_of(model, patience=9)
    plan = plan_folds(samples, PROTOCOLS["composite"])[0]
    validates = plan.training_rows[plan.validation_fold == np.unique(plan.validation_fold)[0]]
    corrupted = replace(
        samples,
        inputs=changed(samples.inputs, validates, LOUD * samples.inputs[validates] + 1),
        labels=changed(samples.labels, validates, (samples.labels[validates] + 1) % 3),
        active=changed(samples.active, validates, ~samples.active[validates]),
    )
    knowns = [
        TrainingData(samples=rows.take(plan.training_rows), validation_fold=plan.validation_fold, seed=plan.seed)
        for rows in (samples, corrupted)
    ]
    (honest,), (other,) = (fit([known], model=model, settings=settings) for known in knowns)
    assert honest.history.training_loss == other.history.training_loss
    assert honest.history.validation_loss != other.history.validation_loss
    (_, lane), (_, other_lane) = prepared
    assert torch.equal(lane.scale, other_lane.scale)
    assert torch.equal(lane.weights, other_lane.weights)


# --- whatever the levers ----------------------------------------------------------------------------------------------


@every_lever
def test_held_out_labels_change_nothing_whatever_the_levers(lever: str) -> None:
    samples = samples_of("mlp")
    for name, protocol in (("a/0", "loso"), ("a/1", "composite"), ("b/1", "composite")):
        rows = np.flatnonzero(samples.subjects == name)
        for shift in (1, 2):
            corrupted = replace(samples, labels=changed(samples.labels, rows, (samples.labels[rows] + shift) % 3))
            honest, other = (run(data, name, "mlp", protocol, **LEVERS[lever]) for data in (samples, corrupted))
            assert same(honest, other)


def test_not_even_shapes_depend_on_held_out_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels order their sums by shape; here mates train and validate on other numbers of rows."""
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


@every_lever
def test_held_out_inputs_change_nothing_but_their_own_predictions_whatever_the_levers(lever: str) -> None:
    samples = samples_of("mlp")
    rows = np.flatnonzero(samples.subjects == "a/1")
    corrupted = replace(
        samples, inputs=changed(samples.inputs, rows[1:], np.full_like(samples.inputs[rows[1:]], np.nan))
    )
    settings = settings_of("mlp", **LEVERS[lever])
    (plan,) = chunk_with(samples, "a/1", PROTOCOLS["composite"], size=1)  # mates would train on what is no number
    (honest,), (other,) = (train_chunk(data, (plan,), "mlp", settings) for data in (samples, corrupted))
    assert np.array_equal(honest.probabilities[0], other.probabilities[0])
    assert (honest.chosen, honest.history) == (other.chosen, other.history)
    assert np.isnan(other.probabilities[1:]).all()


@every_lever
def test_the_oracle_changes_nothing_whatever_the_levers(lever: str) -> None:
    samples = samples_of("mlp")
    settings = settings_of("mlp", **LEVERS[lever])
    chunk = chunk_with(samples, "a/1", PROTOCOLS["composite"], 8)
    fit_chunk = partial(fit, model="mlp", settings=settings)
    knowns = [
        TrainingData(samples=samples.take(plan.training_rows), validation_fold=plan.validation_fold, seed=plan.seed)
        for plan in chunk
    ]

    def watch(fold: int, epoch: int, predict: Predict) -> None:
        assert 0 <= fold < len(chunk)
        assert epoch > 0
        predict(samples.inputs)

    blind, watched = fit_chunk(knowns), fit_chunk(knowns, watch=watch)
    for one, other in zip(blind, watched, strict=True):
        assert np.array_equal(one.predict(samples.inputs), other.predict(samples.inputs))
        assert (one.chosen, one.history) == (other.chosen, other.history)
