import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from microfacial.errors import ConfigError
from microfacial.models.base import Task
from microfacial.models.linear_svm import LinearSvmSettings
from microfacial.models.roi_cnn import RoiCnnSettings
from microfacial.records import Samples, TrainingData
from microfacial.training import fit as training
from microfacial.training.augmentation import InputLayout
from microfacial.training.fit import FittedNetwork, Predict, arithmetic, chunk_size, fit, restore
from microfacial.training.lockstep import Lane, Lockstep
from networks import TinyNet, TinySettings, known_without, tiny

SETTINGS = TinySettings(epochs=12, patience=4, learning_rate=3e-3, batch_size=16)
Fit = Callable[..., FittedNetwork]


@pytest.fixture
def fitted(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> Fit:
    """Fit the small network on all but one subject."""
    monkeypatch.setattr(training, "MODELS", {"tiny": tiny()})

    def fit_one(known: TrainingData | None = None, seed: int = 3, **changes: Any) -> FittedNetwork:
        known = known or known_without(samples, "b/0", seed)
        (result,) = fit([known], model="tiny", settings=SETTINGS.model_copy(update=changes))
        assert isinstance(result, FittedNetwork)
        return result

    return fit_one


def test_the_chosen_epoch_has_the_lowest_validation_loss_and_its_weights_are_kept(
    fitted: Fit, samples: Samples
) -> None:
    result = fitted(learning_rate=4e-3)
    losses = result.history.validation_loss
    best = int(np.argmin(losses)) + 1
    assert 1 < best < len(losses)
    assert result.chosen == f"epoch {best}"
    shorter = fitted(learning_rate=4e-3, epochs=best)
    assert np.array_equal(result.predict(samples.inputs), shorter.predict(samples.inputs))


def test_training_stops_when_patience_runs_out(fitted: Fit) -> None:
    losses = fitted(epochs=200, patience=2, learning_rate=0.03).history.validation_loss
    assert len(losses) == int(np.argmin(losses)) + 1 + 2 < 200


def test_without_a_part_held_back_all_known_rows_train_to_the_last_epoch(fitted: Fit, samples: Samples) -> None:
    result = fitted(early_stopping=False, epochs=6, patience=1)
    assert result.chosen == "epoch 6"
    assert len(result.history.training_loss) == 6
    assert result.history.validation_loss == ()
    known = samples.inputs[samples.subjects != "b/0"]
    assert result.scale[0] == pytest.approx(np.sqrt((known**2).mean(axis=(0, 1, 3, 4))), rel=1e-6)


def test_another_seed_gives_other_weights_and_the_same_one_the_same(fitted: Fit, samples: Samples) -> None:
    first, second, other = (fitted(seed=seed).predict(samples.inputs) for seed in (3, 3, 4))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_the_caller_s_random_numbers_are_left_alone(fitted: Fit) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    fitted(mixup=0.3, flip=True)
    assert torch.equal(torch.rand(1), expected)


def test_the_scale_is_that_of_the_training_rows_alone(fitted: Fit, samples: Samples) -> None:
    known = known_without(samples, "b/0", 3)
    training_part, _ = known.split(0)
    loud = np.where((known.validation_fold == 0)[:, None, None, None, None], np.float32(100), np.float32(1))
    louder = replace(known, samples=replace(known.samples, inputs=known.samples.inputs * loud))
    assert np.array_equal(fitted(known).scale, fitted(louder).scale)
    assert fitted(known).scale[0] == pytest.approx(np.sqrt((training_part.inputs**2).mean(axis=(0, 1, 3, 4))), rel=1e-6)


def test_flat_inputs_are_one_channel(fitted: Fit, samples: Samples) -> None:
    flat = replace(samples, inputs=samples.inputs.reshape(25, -1))
    known = known_without(flat, "b/0", 3)
    result = fitted(known)
    assert result.scale.shape == (1, 1)
    assert result.predict(flat.inputs).shape == (25, 3)
    with pytest.raises(ConfigError, match=r"tiny\.flip: .* no maps of pixels"):
        fitted(known, flip=True)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_loss_that_is_not_finite_stops_with_advice(fitted: Fit, early_stopping: bool) -> None:
    with pytest.raises(ConfigError, match=r"diverged in epoch \d .*Lower the model's learning_rate"):
        fitted(learning_rate=1e30, early_stopping=early_stopping)


@pytest.mark.parametrize("changes", [{}, {"members": 3, "test_time_flip": True, "averaging": 0.9}])
def test_a_checkpoint_brings_the_same_predictions_back(
    fitted: Fit, samples: Samples, changes: dict[str, object]
) -> None:
    result = fitted(**changes)
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **result.checkpoint())
    stream.seek(0)
    with np.load(stream) as arrays:
        restored = restore("tiny", SETTINGS.model_copy(update=changes), arrays)
    assert np.array_equal(restored.predict(samples.inputs), result.predict(samples.inputs))
    assert restored.checkpoint().keys() == result.checkpoint().keys()
    assert restored.chosen == result.chosen


def test_prediction_averages_a_face_and_its_mirror_image(fitted: Fit, samples: Samples) -> None:
    plain, both = fitted(), fitted(test_time_flip=True)
    mirrored = samples.inputs[..., ::-1].copy()
    mirrored[..., 0, :, :] *= -1
    expected = (plain.predict(samples.inputs) + plain.predict(mirrored)) / 2
    assert both.predict(samples.inputs) == pytest.approx(expected, abs=1e-9)


def test_who_watches_sees_each_epoch_and_changes_nothing(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MODELS", {"tiny": tiny()})
    chunk = [known_without(samples, subject, 0) for subject in ("a/1", "b/0")]
    settings = SETTINGS.model_copy(update={"patience": 2, "epochs": 30, "learning_rate": 0.03, "averaging": 0.5})
    seen: dict[tuple[int, int], np.ndarray[Any, Any]] = {}

    def watch(fold: int, epoch: int, predict: Predict) -> None:
        seen[fold, epoch] = predict(samples.inputs)

    watched = fit(chunk, model="tiny", settings=settings, watch=watch)
    alone = fit(chunk, model="tiny", settings=settings)
    for fold, (one, other) in enumerate(zip(watched, alone, strict=True)):
        assert np.array_equal(one.predict(samples.inputs), other.predict(samples.inputs))
        epochs = [epoch for number, epoch in seen if number == fold]
        assert epochs == list(range(1, len(one.history.training_loss) + 1))
        chosen = int(one.chosen.removeprefix("epoch "))
        assert np.array_equal(seen[fold, chosen], one.predict(samples.inputs))


def lockstep_of(settings: TinySettings, rows: int = 10) -> Lockstep:
    lane = Lane(
        inputs=torch.randn(rows, 1, 3, 4, 4, generator=torch.Generator().manual_seed(0)),
        labels=torch.arange(rows) % 2,
        training=torch.arange(rows),
        validation=torch.empty(0, dtype=torch.int64),
        scale=torch.ones(3),
        weights=torch.ones(2),
        seed=0,
    )
    torch.manual_seed(0)
    network = TinyNet(Task(shape=(1, 3, 4, 4), classes=2, co_occurrence=np.zeros((1, 1), np.float32)), settings)
    return Lockstep([network], [lane], settings, "float32", InputLayout(shows="motion"))


def rates_of(settings: TinySettings) -> list[float]:
    taken = np.arange(settings.epochs * 2)[:, None]  # ten rows in batches of five: two steps an epoch
    rates: list[float] = lockstep_of(settings)._rates(taken)[:, 0].tolist()
    return rates


def test_the_learning_rate_rises_then_stays_or_falls_to_nothing() -> None:
    settings = TinySettings(epochs=4, batch_size=5, learning_rate=0.8, warmup_epochs=2)
    assert rates_of(settings) == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8, 0.8, 0.8])
    cosine = settings.model_copy(update={"schedule": "cosine", "warmup_epochs": 1})
    expected = [0.4 * (1 + np.cos(np.pi * step / 6)) for step in range(6)]
    assert rates_of(cosine) == pytest.approx([0.4, 0.8, *expected])


def test_averaged_weights_are_the_weighted_mean_of_those_after_each_step() -> None:
    settings = TinySettings(batch_size=10, averaging=0.5, dropout=0.0)
    lockstep, history = lockstep_of(settings), []
    for _ in range(3):
        lockstep.train_epoch()
        history.append(lockstep._weights.clone())
    expected = (history[0] + 2 * history[1] + 4 * history[2]) / 7
    assert torch.allclose(lockstep.weights, expected, atol=1e-7)


def test_a_lane_that_is_done_stays_as_it_is() -> None:
    lockstep = lockstep_of(TinySettings(batch_size=5, averaging=0.5))
    lockstep.train_epoch()
    weights, averaged = lockstep._weights.clone(), lockstep.weights.clone()
    lockstep.done[0] = True
    lockstep.train_epoch()
    assert torch.equal(lockstep._weights, weights)
    assert torch.equal(lockstep.weights, averaged)


def test_a_gradient_is_no_longer_than_allowed() -> None:
    lockstep = lockstep_of(TinySettings(batch_size=5, max_gradient_norm=1e-3))
    lockstep.train_epoch()
    assert lockstep._gradients.norm().item() == pytest.approx(1e-3, rel=1e-4)


def test_networks_that_may_not_lockstep_and_estimators_train_alone(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chunk_size("roi_cnn", RoiCnnSettings(encoder="conv"), samples) == 1
    assert chunk_size("linear_svm", LinearSvmSettings(), samples) == 1
    monkeypatch.setattr(training, "MODELS", {"tiny": tiny()})
    assert [chunk_size("tiny", TinySettings(members=members), samples) for members in (1, 3, 8, 20)] == [8, 2, 1, 1]


def test_bfloat16_is_close_to_float32(fitted: Fit, samples: Samples) -> None:
    exact, rough = (fitted(epochs=2, precision=kind).predict(samples.inputs) for kind in ("float32", "bfloat16"))
    assert not np.array_equal(exact, rough)
    assert exact == pytest.approx(rough, abs=0.05)


def test_no_more_train_together_than_memory_should_hold(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what folds copy, 25 rows of 2, 2.6 or 21 MiB, at most 10, 7 or none fit into 512 MiB; eight are the most."""
    monkeypatch.setattr(training, "MODELS", {"tiny": tiny()})
    sizes = []
    for numbers in (2**19, 681_574, 5_505_024):
        large = replace(samples, inputs=np.broadcast_to(np.float32(0), (25, numbers)))
        sizes.append(chunk_size("tiny", TinySettings(), large))
    assert sizes == [8, 7, 1]


def test_where_no_validation_row_counts_the_last_epoch_is_kept(fitted: Fit, samples: Samples) -> None:
    """Part 0 alone is of class 2: its loss is nothing, whatever the epoch."""
    known = known_without(samples, "b/0", 3)
    labels = np.where(known.validation_fold == 0, 2, np.arange(len(known.validation_fold)) % 2)
    known = replace(known, samples=replace(known.samples, labels=labels))
    result = fitted(known, patience=2, epochs=7, label_smoothing=0.1)
    assert result.history.validation_loss == (0.0,) * 7
    assert result.chosen == "epoch 7"


def test_which_loss_is_not_finite_is_said(fitted: Fit, samples: Samples) -> None:
    known = known_without(samples, "b/0", 3)
    lost = np.where((known.validation_fold == 0)[:, None, None, None, None], np.float32(np.nan), known.samples.inputs)
    with pytest.raises(ConfigError, match=r"diverged in epoch 1 \(validation loss nan\)"):
        fitted(replace(known, samples=replace(known.samples, inputs=lost)))


def test_views_in_any_order_are_predicted_as_their_copies(fitted: Fit, samples: Samples) -> None:
    result = fitted(epochs=2)
    for view in (samples.inputs[::-1], samples.inputs[..., ::-1], samples.inputs.swapaxes(-1, -2)):
        assert np.array_equal(result.predict(view), result.predict(view.copy()))


def test_what_last_bits_depend_on_names_the_precision_where_the_processor_chooses_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fixed = {"torch": torch.__version__.partition("+")[0]}
    for able, precision in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: {"avx512_bf16": able})
        assert arithmetic(TinySettings(precision="auto")) == {**fixed, "precision": precision}
        assert arithmetic(TinySettings(precision="bfloat16")) == arithmetic(LinearSvmSettings()) == fixed
