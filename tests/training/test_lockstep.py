from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from microfacial.errors import ConfigError
from microfacial.models.base import Task
from microfacial.models.layers.dropout import Dropout
from microfacial.records import Samples, TrainingData
from microfacial.training import fit as training
from microfacial.training.augmentation import InputLayout
from microfacial.training.fit import FittedNetwork, fit
from microfacial.training.lockstep import Lane, Lockstep
from networks import TinyNet, TinySettings, known_without, tiny

EVERY = TinySettings(
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
def exact() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def chunk_of(samples: Samples) -> list[TrainingData]:
    return [known_without(samples, subject, seed) for seed, subject in enumerate(("a/1", "a/4", "b/0"))]


def fitted(
    chunk: list[TrainingData], monkeypatch: pytest.MonkeyPatch, settings: TinySettings = EVERY, lockstep: bool = True
) -> list[FittedNetwork]:
    monkeypatch.setattr(training, "MODELS", {"tiny": tiny(lockstep)})
    every = fit(chunk, model="tiny", settings=settings)
    return [one for one in every if isinstance(one, FittedNetwork)]


@pytest.mark.parametrize("lockstep", [True, False])
def test_folds_in_lockstep_train_as_each_alone(
    samples: Samples, monkeypatch: pytest.MonkeyPatch, exact: None, lockstep: bool
) -> None:
    """With dropout, augmentation and every lever; lanes differ in rows to train and to validate on, and in steps."""
    samples = replace(samples, inputs=samples.inputs.astype(np.float64))
    chunk = chunk_of(samples)
    together = fitted(chunk, monkeypatch)
    for known, one in zip(chunk, together, strict=True):
        (alone,) = fitted([known], monkeypatch, lockstep=lockstep)
        assert one.predict(samples.inputs) == pytest.approx(alone.predict(samples.inputs), abs=1e-9)
        assert one.history.validation_loss == pytest.approx(alone.history.validation_loss, abs=1e-9)
        assert one.chosen == alone.chosen


def test_neighbours_labels_and_inputs_change_not_a_bit(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = EVERY.model_copy(update={"patience": 1, "epochs": 12, "learning_rate": 0.1})
    chunk = chunk_of(samples)
    honest = fitted(chunk, monkeypatch, settings)[1]
    other = replace(samples, labels=(samples.labels + 1) % 3, inputs=samples.inputs * 7 + 1)
    mixed = [known_without(other, "a/1", 0), chunk[1], known_without(other, "b/0", 2)]
    corrupted = fitted(mixed, monkeypatch, settings)
    assert np.array_equal(honest.predict(samples.inputs), corrupted[1].predict(samples.inputs))
    assert honest.history == corrupted[1].history
    assert len({len(one.history.training_loss) for one in corrupted}) > 1  # they stop at different epochs


def test_members_validate_on_different_parts_and_predict_their_mean(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = fitted(chunk_of(samples)[:1], monkeypatch, TinySettings(epochs=3, ensemble_size=4))[0]
    first, second, _, fourth = one.scale
    assert not np.array_equal(first, second)
    assert np.array_equal(first, fourth)  # three parts: the fourth member validates where the first does
    weights = one.stack.weights
    assert not torch.equal(weights[0], weights[3])  # from another seed
    assert one.chosen.startswith("epochs ")


def lane_of(rows: int, seed: int) -> Lane:
    random = torch.Generator().manual_seed(seed)
    return Lane(
        inputs=torch.randn(rows, 1, 3, 4, 4, generator=random),
        labels=torch.arange(rows) % 3,
        training=torch.arange(rows),
        validation=torch.empty(0, dtype=torch.int64),
        scale=torch.full((3,), 1.5),
        weights=torch.tensor([0.5, 1.0, 1.5]),
        seed=seed,
    )


def test_lanes_train_as_plain_loops_of_torch_would(exact: None) -> None:
    """Lanes of one, two and three steps an epoch; the shorter idle meanwhile."""
    settings = TinySettings(
        epochs=4, batch_size=4, dropout=0.0, learning_rate=0.02, schedule="cosine", warmup_epochs=1, weight_decay=0.3
    )
    lanes = [lane_of(rows, seed) for seed, rows in enumerate((4, 7, 12))]
    task = Task(shape=(1, 3, 4, 4), classes=3, co_occurrence=np.zeros((1, 1), np.float32))
    networks = [TinyNet(task, settings) for _ in lanes]
    lockstep = Lockstep(networks, lanes, settings, "float32", InputLayout(shows="motion"))
    losses = np.array([lockstep.train_epoch() for _ in range(settings.epochs)])
    for number, (lane, network) in enumerate(zip(lanes, networks, strict=True)):
        assert losses[:, number] == pytest.approx(plain_losses(lane, network, settings), abs=1e-12)
        ours = {name: value[number] for name, value in lockstep._stack.parameters.items()}
        for name, value in network.named_parameters():
            assert torch.allclose(ours[name], value, rtol=0, atol=1e-12)


def plain_losses(lane: Lane, network: TinyNet, settings: TinySettings) -> list[float]:
    """Train a network as most would, in the same order of rows; mean losses of the epochs' batches."""
    criterion = torch.nn.CrossEntropyLoss(lane.weights, label_smoothing=settings.label_smoothing)
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, foreach=False
    )
    steps = -(-len(lane.training) // settings.batch_size)
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
        rows, losses = torch.randperm(len(lane.training), generator=order), []
        for batch in torch.split(rows, settings.batch_size):
            optimiser.zero_grad()
            loss = criterion(network(lane.inputs[batch] / 1.5), lane.labels[batch])
            loss.backward()
            optimiser.step()
            rates.step()
            losses.append(loss.item())
        means.append(float(np.mean(losses)))
    return means


def test_dropout_without_a_key_is_torchs_own() -> None:
    inputs, module = torch.ones(100, 50), Dropout(0.3)
    torch.manual_seed(0)
    ours = module(inputs)
    torch.manual_seed(0)
    assert torch.equal(ours, torch.nn.functional.dropout(inputs, 0.3))
    assert torch.equal(module.eval()(inputs), inputs)


def test_dropout_with_a_key_drops_its_share_evenly_and_another_for_another_key() -> None:
    module = Dropout(0.3)
    module.keyed = True
    masks = []
    for key in (5, 6):
        module.key.fill_(key)
        assert torch.equal(module(torch.ones(400, 500)), module(torch.ones(400, 500)))
        masks.append(module(torch.ones(400, 500)))
    kept = torch.stack(masks) > 0
    assert masks[0].unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert kept.double().mean((1, 2)).tolist() == pytest.approx([0.7, 0.7], abs=0.005)
    assert (kept[0] & kept[1]).double().mean().item() == pytest.approx(0.49, abs=0.005)
    assert (kept[0, :, 1:] & kept[0, :, :-1]).double().mean().item() == pytest.approx(0.49, abs=0.005)


@pytest.mark.parametrize("folds", [1, 3])
def test_a_network_that_draws_shared_random_numbers_is_refused_by_name(
    samples: Samples, monkeypatch: pytest.MonkeyPatch, folds: int
) -> None:
    class Careless(TinyNet):
        def __init__(self, task: Task, settings: TinySettings) -> None:
            super().__init__(task, settings)
            self.second = torch.nn.Dropout(0.5)  # type: ignore[assignment]

    monkeypatch.setattr(training, "MODELS", {"tiny": replace(tiny(), build=Careless)})
    with pytest.raises(ConfigError, match=r"^Careless draws from torch's shared random numbers .*dropout\.Dropout"):
        fit(chunk_of(samples)[:folds], model="tiny", settings=TinySettings(epochs=1))
