import numpy as np
import pytest
import torch
from variants import make_store

from microfacial.errors import ConfigError
from microfacial.models import MODELS, Task
from microfacial.models.layers.prior_start import AnchoredLinear, PriorStart
from microfacial.models.prior import emotion_shares, load_prior

NAMES = ("negative", "positive", "surprise")
NO_REGIONS = np.zeros((0, 0), np.float32)


def make_task(names: tuple[str, ...] = NAMES) -> Task:
    return Task(shape=(2, 14, 14), classes=3, co_occurrence=NO_REGIONS, names=names)


@pytest.mark.parametrize("size", [7, 14, 28])
def test_before_training_its_predictions_are_those_of_the_prior(size: int) -> None:
    maps = np.random.default_rng(0).normal(size=(6, 3, size, size)).astype(np.float32)
    mirrored = (maps[..., ::-1] * np.array([-1, 1, 1], np.float32)[:, None, None]).copy()
    network = PriorStart(make_task(), 0.5).eval()
    views = [network(torch.from_numpy(view)).softmax(1).detach().numpy() for view in (maps, mirrored)]
    expected = load_prior().class_probabilities(maps, emotion_shares(NAMES))
    assert np.mean(views, axis=0) == pytest.approx(expected, abs=1e-4)


def test_an_anchored_layer_starts_at_its_constant_and_only_its_change_is_trained() -> None:
    weight, bias = torch.randn(3, 4), torch.randn(3)
    layer = AnchoredLinear(weight, bias)
    x = torch.randn(5, 4)
    assert torch.equal(layer(x), torch.nn.functional.linear(x, weight, bias))
    assert {name for name, _ in layer.named_parameters()} == {"weight_change", "bias_change"}
    assert layer.weight_change is not None
    with torch.no_grad():
        layer.weight_change.add_(1)
    assert torch.allclose(layer(x), torch.nn.functional.linear(x, weight + 1, bias))


def test_classes_that_are_not_emotions_are_refused() -> None:
    with pytest.raises(ConfigError, match="'x'"):
        PriorStart(make_task(("x", "y", "z")), 0.5)


def test_it_can_be_rebuilt_without_the_names_of_the_classes() -> None:
    rebuilt = PriorStart(make_task(()), 0.5)
    rebuilt.load_state_dict(PriorStart(make_task(), 0.5).state_dict())
    assert torch.equal(rebuilt.get_buffer("log_shares"), PriorStart(make_task(), 0.5).get_buffer("log_shares"))


def test_the_mlp_that_starts_from_the_prior_reads_the_frame_of_the_prior() -> None:
    mlp = MODELS["mlp"]
    plain, started = (mlp.settings.model_validate(keys) for keys in ({}, {"start": "motion_prior"}))
    assert mlp.make_inputs(make_store(), plain).values.shape == (3, 3, 14, 14)
    assert mlp.make_inputs(make_store(), started).values.shape == (3, 2, 14, 14)
