"""Choice of the epoch, early stopping, errors, observers, chunk sizes, and the facts that determine the last bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from microfacial.errors import ConfigError
from microfacial.models.linear_svm import LinearSvmSettings
from microfacial.models.mlp import MlpSettings
from microfacial.models.roi_cnn import RoiCnnSettings
from microfacial.records import Samples, TrainingData
from microfacial.training.fit import Predict, arithmetic, chunk_size, fit, restore
from networks import FitTiny, TinySettings, tiny, training_data_without


def with_nan_in_validation(data: TrainingData) -> TrainingData:
    rows = (data.validation_fold == 0)[:, None, None, None, None]
    return replace(data, samples=replace(data.samples, inputs=np.where(rows, np.float32(np.nan), data.samples.inputs)))


def test_the_chosen_epoch_has_the_lowest_validation_loss_and_its_weights_are_used(
    fit_tiny: FitTiny, samples: Samples
) -> None:
    fitted = fit_tiny(learning_rate=4e-3)
    losses = fitted.history.validation_loss
    best = int(np.argmin(losses)) + 1
    assert 1 < best < len(losses)
    assert fitted.chosen == f"epoch {best}"
    shorter = fit_tiny(learning_rate=4e-3, epochs=best)
    assert np.array_equal(fitted.predict(samples.inputs), shorter.predict(samples.inputs))


def test_training_stops_after_patience_epochs_without_a_lower_loss(fit_tiny: FitTiny) -> None:
    losses = fit_tiny(epochs=200, patience=2, learning_rate=0.03).history.validation_loss
    assert len(losses) == int(np.argmin(losses)) + 1 + 2 < 200


def test_without_early_stopping_all_rows_train_until_the_last_epoch(fit_tiny: FitTiny, samples: Samples) -> None:
    fitted = fit_tiny(early_stopping=False, epochs=6, patience=1)
    assert fitted.chosen == "epoch 6"
    assert len(fitted.history.training_loss) == 6
    assert fitted.history.validation_loss == ()
    inputs = samples.inputs[samples.subjects != "b/0"]
    assert fitted.scale[0] == pytest.approx(np.sqrt((inputs**2).mean(axis=(0, 1, 3, 4))), rel=1e-6)


def test_the_same_seed_gives_the_same_weights_and_another_seed_gives_other_ones(
    fit_tiny: FitTiny, samples: Samples
) -> None:
    first, second, other = (fit_tiny(seed=seed).predict(samples.inputs) for seed in (3, 3, 4))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_training_does_not_change_the_random_numbers_of_the_caller(fit_tiny: FitTiny) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    fit_tiny(mixup_alpha=0.3, flip=True)
    assert torch.equal(torch.rand(1), expected)


def test_a_setting_that_needs_maps_is_refused_for_vectors(fit_tiny: FitTiny, samples: Samples) -> None:
    vectors = training_data_without(replace(samples, inputs=samples.inputs.reshape(25, -1)), "b/0", 3)
    with pytest.raises(ConfigError, match=r"^flip\b"):
        fit_tiny(vectors, flip=True)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_loss_that_is_not_finite_stops_the_training_and_names_the_learning_rate(
    fit_tiny: FitTiny, early_stopping: bool
) -> None:
    with pytest.raises(ConfigError, match=r"epoch \d .*learning_rate"):
        fit_tiny(learning_rate=1e6, early_stopping=early_stopping)


def test_the_message_names_the_loss_that_is_not_finite(fit_tiny: FitTiny, samples: Samples) -> None:
    data = with_nan_in_validation(training_data_without(samples, "b/0", 3))
    with pytest.raises(ConfigError, match=r"epoch 1 \(validation loss nan\)"):
        fit_tiny(data)


def test_the_last_epoch_is_used_if_no_class_of_the_validation_rows_occurs_in_training(
    fit_tiny: FitTiny, samples: Samples
) -> None:
    """Only validation fold 0 has class 2, so its loss is 0 in every epoch."""
    data = training_data_without(samples, "b/0", 3)
    labels = np.where(data.validation_fold == 0, 2, np.arange(len(data.validation_fold)) % 2)
    data = replace(data, samples=replace(data.samples, labels=labels))
    fitted = fit_tiny(data, patience=2, epochs=7, label_smoothing=0.1)
    assert fitted.history.validation_loss == (0.0,) * 7
    assert fitted.chosen == "epoch 7"


def test_an_observer_gets_each_epoch_and_changes_nothing(samples: Samples) -> None:
    chunk = [training_data_without(samples, subject, 0) for subject in ("a/1", "b/0")]
    settings = TinySettings(epochs=30, patience=2, learning_rate=0.03, batch_size=16, ema_decay=0.5)
    seen: dict[tuple[int, int], NDArray[np.float64]] = {}

    def watch(fold: int, epoch: int, predict: Predict) -> None:
        seen[fold, epoch] = predict(samples.inputs)

    observed = fit(chunk, model=tiny(), settings=settings, watch=watch)
    unobserved = fit(chunk, model=tiny(), settings=settings)
    for fold, (fitted, other) in enumerate(zip(observed, unobserved, strict=True)):
        assert np.array_equal(fitted.predict(samples.inputs), other.predict(samples.inputs))
        epochs = [epoch for number, epoch in seen if number == fold]
        assert epochs == list(range(1, len(fitted.history.training_loss) + 1))
        chosen = int(fitted.chosen.removeprefix("epoch "))
        assert np.array_equal(seen[fold, chosen], fitted.predict(samples.inputs))


def test_convolutions_and_estimators_train_one_fold_at_a_time(samples: Samples) -> None:
    assert chunk_size("roi_cnn", RoiCnnSettings(encoder="conv"), samples) == 1
    assert chunk_size("linear_svm", LinearSvmSettings(), samples) == 1


@pytest.mark.parametrize(("ensemble_size", "folds"), [(1, 8), (3, 2), (8, 1), (20, 1)])
def test_at_most_eight_networks_train_together(samples: Samples, ensemble_size: int, folds: int) -> None:
    assert chunk_size(tiny(), TinySettings(ensemble_size=ensemble_size), samples) == folds


@pytest.mark.parametrize(("numbers", "folds"), [(2**19, 8), (681_574, 7), (5_505_024, 1)])
def test_the_inputs_of_a_chunk_fit_into_512_mib(samples: Samples, numbers: int, folds: int) -> None:
    """25 rows of 2, 2.6 or 21 MiB fit into 512 MiB ten, seven or zero times. At most eight folds train together."""
    large = replace(samples, inputs=np.broadcast_to(np.float32(0), (25, numbers)))
    assert chunk_size(tiny(), TinySettings(), large) == folds


def test_settings_of_another_model_are_refused(samples: Samples) -> None:
    with pytest.raises(ConfigError, match=r"TinySettings.*MlpSettings"):
        fit([training_data_without(samples, "b/0", 0)], model=tiny(), settings=MlpSettings())
    with pytest.raises(ConfigError, match=r"TinySettings.*MlpSettings"):
        chunk_size(tiny(), MlpSettings(), samples)
    with pytest.raises(ConfigError, match=r"TinySettings.*MlpSettings"):
        restore(tiny(), MlpSettings(), {})


def test_the_facts_of_arithmetic_name_the_precision_only_if_the_processor_chooses_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fixed = {"torch": torch.__version__.partition("+")[0]}
    for able, precision in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: {"avx512_bf16": able})
        assert arithmetic(TinySettings(precision="auto")) == {**fixed, "precision": precision}
        assert arithmetic(TinySettings(precision="bfloat16")) == arithmetic(LinearSvmSettings()) == fixed
