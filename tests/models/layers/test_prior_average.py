from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from variants import make_store

from audit_cases import samples_of, settings_of
from microfacial.errors import ConfigError
from microfacial.inference.networks import create_model
from microfacial.models import MODELS, Task
from microfacial.models.inputs import portrait
from microfacial.models.layers.prior_average import PriorAverage, apex_motion
from microfacial.models.layers.prior_start import PriorStart
from microfacial.models.lookup import uses_prior
from microfacial.models.presets import resolve
from microfacial.records import PHASE_WINDOWS, TrainingData
from microfacial.settings import Section
from microfacial.training.fit import fit, restore
from microfacial.training.fitted_network import FittedNetwork

NAMES = ("negative", "positive", "surprise")
AVERAGED = ("flow_cnn", "roi_cnn", "roi_graph", "roi_transformer")
START = {"start": "motion_prior"}
averaged = pytest.mark.parametrize("model", AVERAGED)


class Flat(nn.Module):
    """A network whose logits are the first three numbers of a sample."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :3]


def random_maps(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_predictions_average_the_logits_of_network_and_prior() -> None:
    task = Task(shape=(3, 14, 14), classes=3, co_occurrence=np.zeros((0, 0), np.float32), names=NAMES)
    x, network = random_maps(5, 3, 14, 14), PriorAverage(Flat(), task, 0.25)
    expected = 0.75 * x.flatten(1)[:, :3] + 0.25 * PriorStart(task, 0.0)(x)
    assert torch.allclose(network(x), expected, atol=1e-6)
    network.returns_parts = True
    assert torch.equal(network(x), x.flatten(1)[:, None, :3])
    assert list(network.parameters()) == []


@pytest.mark.parametrize("windows", [1, 2, 5])
def test_the_prior_reads_the_first_window_of_the_last_region(windows: int) -> None:
    x = random_maps(2, windows, 3, 2, 4, 4)
    assert torch.equal(apex_motion(x), x[:, 0, 2])
    assert torch.equal(apex_motion(x[:, 0]), x[:, 0, 2])
    assert torch.equal(apex_motion(x[:, 0, 2]), x[:, 0, 2])


def test_phase_windows_before_the_apex_are_added() -> None:
    x = random_maps(2, len(PHASE_WINDOWS), 3, 2, 4, 4)
    assert torch.allclose(apex_motion(x), x[:, 0, 2] + x[:, 1, 2])


@averaged
def test_the_prior_gets_the_whole_face_in_the_frame_of_drawn_faces(model: str) -> None:
    variant, store = MODELS[model], make_store()
    values = variant.make_inputs(store, variant.settings.model_validate(START)).values
    side = values.shape[-1]
    expected = portrait(store, side).values
    face = apex_motion(torch.from_numpy(values)).numpy()[:, :2]
    assert np.array_equal(face, expected)
    plain = variant.make_inputs(store, variant.settings.model_validate({})).values
    assert plain.shape == values.shape
    assert not np.array_equal(apex_motion(torch.from_numpy(plain)).numpy()[:, :2], expected)


def fit_one(model: str, settings: Section) -> FittedNetwork:
    samples = samples_of(model)
    rows = np.arange(18)
    data = TrainingData(samples=samples.take(rows), validation_fold=rows % 2, seed=3)
    (fitted,) = fit([data], model=model, settings=settings)
    assert isinstance(fitted, FittedNetwork)
    return fitted


@averaged
def test_the_network_trains_as_from_scratch_and_the_prior_only_changes_predictions(model: str) -> None:
    samples = samples_of(model)
    scratch, started = (fit_one(model, settings_of(model, early_stopping=False, **keys)) for keys in ({}, START))
    assert torch.equal(scratch.stack.weights, started.stack.weights)
    assert scratch.history == started.history
    assert not np.allclose(scratch.predict(samples.inputs), started.predict(samples.inputs))


@averaged
def test_a_restored_network_predicts_the_same(model: str) -> None:
    settings, inputs = settings_of(model, **START), samples_of(model).inputs
    fitted = fit_one(model, settings)
    restored = restore(model, settings, fitted.checkpoint())
    assert np.array_equal(restored.predict(inputs), fitted.predict(inputs))


@averaged
def test_without_start_the_network_is_built_as_before(model: str) -> None:
    torch.manual_seed(0)
    plain = create_model(model, classes=NAMES)
    torch.manual_seed(0)
    started = create_model(model, classes=NAMES, start="motion_prior")
    assert isinstance(started, PriorAverage)
    assert type(plain) is type(started.network)
    pairs = zip(plain.named_parameters(), started.network.named_parameters(), strict=True)
    assert all(name == other and torch.equal(value, same) for (name, value), (other, same) in pairs)


@pytest.mark.parametrize("model", [*AVERAGED, "hybrid", "mlp"])
@pytest.mark.parametrize("nothing", [None, "none"])
def test_start_can_be_switched_off(model: str, nothing: Any) -> None:
    settings = MODELS[model].settings.model_validate({"start": nothing})
    assert settings == MODELS[model].settings()
    assert not uses_prior(model, settings)


@pytest.mark.parametrize("model", [*AVERAGED, "hybrid", "mlp"])
def test_the_preset_from_prior_uses_the_prior(model: str) -> None:
    assert uses_prior(model, resolve(model, {"preset": "from_prior"}, model))


@pytest.mark.parametrize("model", ["roi_cnn", "roi_graph", "roi_transformer", "hybrid"])
def test_networks_of_regions_without_the_whole_face_cannot_start_from_the_prior(model: str) -> None:
    with pytest.raises(ConfigError, match="whole_face"):
        resolve(model, {"preset": "from_prior", "whole_face": False}, model)


def test_the_hybrid_that_starts_from_the_prior_is_the_hybrid_with_its_share() -> None:
    started, shared = (
        settings_of("hybrid", early_stopping=False, **keys)
        for keys in ({"prior_share": 0.0, **START}, {"prior_share": 0.5})
    )
    inputs = samples_of("hybrid").inputs
    first, second = (fit_one("hybrid", settings) for settings in (started, shared))
    assert np.array_equal(first.predict(inputs), second.predict(inputs))


def test_classes_that_are_not_emotions_are_refused() -> None:
    samples = replace(samples_of("flow_cnn"), classes=("x", "y", "z"))
    data = TrainingData(samples=samples, validation_fold=np.zeros(len(samples.labels), np.int64), seed=0)
    with pytest.raises(ConfigError, match="'x'"):
        fit([data], model="flow_cnn", settings=settings_of("flow_cnn", early_stopping=False, **START))
