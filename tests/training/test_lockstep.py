"""Networks that train side by side: independence of other lanes, learning rates and averages of weights."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from microfacial.errors import ConfigError
from microfacial.models.base import Task
from microfacial.models.layers.parts import PartNetwork
from microfacial.records import Samples, TrainingData
from microfacial.training.augmentation import InputLayout
from microfacial.training.fit import fit
from microfacial.training.fitted_network import FittedNetwork
from microfacial.training.lanes import Lane
from microfacial.training.lockstep import Lockstep
from networks import TinyNet, TinySettings, make_lane, tiny, training_data_without

ALL_OPTIONS = TinySettings(
    epochs=4,
    patience=4,
    batch_size=5,
    learning_rate=0.01,
    schedule="cosine",
    warmup_epochs=1,
    max_gradient_norm=0.5,
    ema_decay=0.9,
    loss="focal",
    class_weights="root",
    label_smoothing=0.1,
    mixup_alpha=0.3,
    flip=True,
    test_time_flip=True,
    shift_px=1,
    window_jitter=0.2,
    ensemble_size=3,
)


@pytest.fixture
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def chunk_of(samples: Samples) -> list[TrainingData]:
    return [training_data_without(samples, subject, seed) for seed, subject in enumerate(("a/1", "a/4", "b/0"))]


def fit_chunk(
    chunk: list[TrainingData],
    settings: TinySettings = ALL_OPTIONS,
    lockstep: bool = True,
) -> list[FittedNetwork]:
    return [
        fitted for fitted in fit(chunk, model=tiny(lockstep), settings=settings) if isinstance(fitted, FittedNetwork)
    ]


@pytest.mark.parametrize("lockstep", [True, False])
def test_folds_in_lockstep_train_like_each_fold_alone(samples: Samples, float64: None, lockstep: bool) -> None:
    """All options are on. Lanes differ in their training rows, their validation rows and their steps."""
    samples = replace(samples, inputs=samples.inputs.astype(np.float64))
    chunk = chunk_of(samples)
    together = fit_chunk(chunk)
    for data, fitted in zip(chunk, together, strict=True):
        (alone,) = fit_chunk([data], lockstep=lockstep)
        assert fitted.predict(samples.inputs) == pytest.approx(alone.predict(samples.inputs), abs=1e-9)
        assert fitted.history.validation_loss == pytest.approx(alone.history.validation_loss, abs=1e-9)
        assert fitted.chosen == alone.chosen


def test_labels_and_inputs_of_other_folds_do_not_change_a_bit(samples: Samples) -> None:
    settings = ALL_OPTIONS.model_copy(update={"patience": 1, "epochs": 12, "learning_rate": 0.1})
    chunk = chunk_of(samples)
    honest = fit_chunk(chunk, settings)[1]
    other = replace(samples, labels=(samples.labels + 1) % 3, inputs=samples.inputs * 7 + 1)
    mixed = [training_data_without(other, "a/1", 0), chunk[1], training_data_without(other, "b/0", 2)]
    corrupted = fit_chunk(mixed, settings)
    assert np.array_equal(honest.predict(samples.inputs), corrupted[1].predict(samples.inputs))
    assert honest.history == corrupted[1].history
    assert len({len(fitted.history.training_loss) for fitted in corrupted}) > 1  # they stop at different epochs


def test_networks_of_an_ensemble_differ_in_rows_and_weights(samples: Samples) -> None:
    (fitted,) = fit_chunk(chunk_of(samples)[:1], TinySettings(epochs=3, ensemble_size=4))
    first, second, _, fourth = fitted.scale
    assert not np.array_equal(first, second)
    assert np.array_equal(first, fourth)  # three validation folds: the fourth network uses the first one again
    weights = fitted.stack.weights
    assert not torch.equal(weights[0], weights[3])  # from another seed
    assert fitted.chosen.startswith("epochs ")


def lockstep_of(settings: TinySettings) -> Lockstep:
    return Lockstep([make_lane(settings)], settings, InputLayout(shows="motion"))


def rates_of(settings: TinySettings) -> list[float]:
    taken = np.arange(settings.epochs * 2)[:, None]  # ten rows in batches of five: two steps per epoch
    rates: list[float] = lockstep_of(settings)._learning_rates(taken)[:, 0].tolist()
    return rates


def test_the_learning_rate_rises_and_then_stays_or_falls_to_zero() -> None:
    settings = TinySettings(epochs=4, batch_size=5, learning_rate=0.8, warmup_epochs=2)
    assert rates_of(settings) == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8, 0.8, 0.8])
    cosine = settings.model_copy(update={"schedule": "cosine", "warmup_epochs": 1})
    expected = [0.4 * (1 + np.cos(np.pi * step / 6)) for step in range(6)]
    assert rates_of(cosine) == pytest.approx([0.4, 0.8, *expected])


def test_averaged_weights_are_the_weighted_mean_of_the_weights_after_each_step() -> None:
    lockstep, history = lockstep_of(TinySettings(batch_size=10, ema_decay=0.5, dropout=0.0)), []
    for _ in range(3):
        lockstep.train_epoch()
        history.append(lockstep._weights.clone())
    expected = (history[0] + 2 * history[1] + 4 * history[2]) / 7
    assert torch.allclose(lockstep.weights, expected, atol=1e-7)


def test_a_lane_that_is_done_does_not_change() -> None:
    lockstep = lockstep_of(TinySettings(batch_size=5, ema_decay=0.5))
    lockstep.train_epoch()
    weights, averaged = lockstep._weights.clone(), lockstep.weights.clone()
    lockstep.done[0] = True
    lockstep.train_epoch()
    assert torch.equal(lockstep._weights, weights)
    assert torch.equal(lockstep.weights, averaged)


def test_a_gradient_is_not_longer_than_max_gradient_norm() -> None:
    lockstep = lockstep_of(TinySettings(batch_size=5, max_gradient_norm=1e-3))
    lockstep.train_epoch()
    assert lockstep._gradients.norm().item() == pytest.approx(1e-3, rel=1e-4)


def test_lanes_train_like_plain_loops_of_torch(float64: None) -> None:
    """The lanes have one, two and three steps per epoch. Lanes with fewer steps wait."""
    settings = TinySettings(
        epochs=4, batch_size=4, dropout=0.0, learning_rate=0.02, schedule="cosine", warmup_epochs=1, weight_decay=0.3
    )
    lanes = [make_lane(settings, rows, seed) for seed, rows in enumerate((4, 7, 12))]
    lockstep = Lockstep(lanes, settings, InputLayout(shows="motion"))
    losses = np.array([lockstep.train_epoch() for _ in range(settings.epochs)])
    for number, lane in enumerate(lanes):
        assert losses[:, number] == pytest.approx(plain_losses(lane, settings), abs=1e-12)
        trained = {name: value[number] for name, value in lockstep._stack.parameters.items()}
        for name, value in lane.network.named_parameters():
            assert torch.allclose(trained[name], value, rtol=0, atol=1e-12)


def plain_losses(lane: Lane, settings: TinySettings) -> list[float]:
    """Train the network of a lane with a plain loop, in the same order of rows. Return the mean loss of each epoch."""
    criterion = torch.nn.CrossEntropyLoss(lane.class_weights, label_smoothing=settings.label_smoothing)
    optimiser = torch.optim.AdamW(
        lane.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, foreach=False
    )
    steps = -(-len(lane.training_rows) // settings.batch_size)
    warmup, span = steps * settings.warmup_epochs, steps * (settings.epochs - settings.warmup_epochs)
    rates = torch.optim.lr_scheduler.SequentialLR(
        optimiser,
        [
            torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: (step + 1) / warmup),
            torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, span),
        ],
        [warmup],
    )
    order, means = torch.Generator().manual_seed(lane.seed), []
    for _ in range(settings.epochs):
        rows, losses = torch.randperm(len(lane.training_rows), generator=order), []
        for batch in torch.split(rows, settings.batch_size):
            optimiser.zero_grad()
            loss = criterion(lane.network(lane.inputs[batch] / 1.5), lane.labels[batch])
            loss.backward()
            optimiser.step()
            rates.step()
            losses.append(loss.item())
        means.append(float(np.mean(losses)))
    return means


@pytest.mark.parametrize("folds", [1, 3])
def test_a_network_that_draws_shared_random_numbers_is_refused_by_name(samples: Samples, folds: int) -> None:
    class Careless(TinyNet):
        def __init__(self, task: Task, settings: TinySettings) -> None:
            super().__init__(task, settings)
            self.second = torch.nn.Dropout(0.5)  # type: ignore[assignment]

    with pytest.raises(ConfigError, match=r"^Careless .*layers\.dropout\.Dropout"):
        fit(chunk_of(samples)[:folds], model=replace(tiny(), build=Careless), settings=TinySettings(epochs=1))


class _Parts(TinyNet, PartNetwork):
    """Its parts are the logits of the tiny network, and a part that is never sure."""

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return torch.stack([logits, 0 * logits], dim=1) if self.returns_parts else logits


def test_each_part_of_a_network_has_a_loss_of_its_own_and_their_mean_is_the_loss() -> None:
    settings = TinySettings()
    whole = make_lane(settings)
    network = _Parts(whole.task, settings)
    network.load_state_dict(whole.network.state_dict())
    alone, together = (
        Lockstep([lane], settings, InputLayout(shows="motion")) for lane in (whole, replace(whole, network=network))
    )
    before = together.weights.clone()
    losses = [run.train_epoch() for run in (alone, together)]
    assert losses[1] == pytest.approx((losses[0] + np.log(3)) / 2)
    assert (together.weights != before).any()
