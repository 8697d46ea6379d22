from pathlib import Path

import numpy as np
import pytest
import torch

from microfacial.datasets.drawn_motion.emotions import EMOTIONS
from microfacial.errors import ConfigError
from microfacial.models.prior import PRIOR_WEIGHTS, MotionPrior, load_prior, prior_features
from microfacial.training.pretraining import (
    SHOWN_UNITS,
    Pretraining,
    pretrain,
    torch_features,
)
from microfacial.training.prior_files import score_on_drawn, write_prior

SHORT = Pretraining(steps=3, batch=16, hidden=8)


@pytest.fixture(scope="module")
def short() -> MotionPrior:
    return pretrain(SHORT)


def test_the_same_plan_gives_the_same_weights(short: MotionPrior) -> None:
    torch.manual_seed(123)  # the state of torch does not matter
    again, other = pretrain(SHORT), pretrain(Pretraining(**{**vars(SHORT), "seed": 1}))
    assert all(np.array_equal(again.arrays[name], array) for name, array in short.arrays.items())
    assert not np.array_equal(other.arrays["first.weight"], short.arrays["first.weight"])


def test_training_leaves_the_state_of_torch_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    pretrain(Pretraining(steps=1, batch=4, hidden=4))
    assert torch.equal(torch.rand(3), expected)


def test_the_watcher_sees_every_step_and_the_loss_falls() -> None:
    losses: dict[int, float] = {}
    pretrain(Pretraining(steps=40, batch=64, hidden=32), watch=losses.__setitem__)
    assert list(losses) == list(range(1, 41))
    assert np.mean([losses[step] for step in range(31, 41)]) < 0.9 * losses[1]


@pytest.mark.parametrize("size", [14, 28, 56])
def test_torch_and_numpy_compute_the_same_features(size: int) -> None:
    maps = np.random.default_rng(0).normal(size=(6, 2, size, size)).astype(np.float32)
    assert torch_features(torch.from_numpy(maps)).numpy() == pytest.approx(prior_features(maps), abs=1e-5)


def test_weights_and_card_are_written_together(short: MotionPrior, tmp_path: Path) -> None:
    path = tmp_path / "prior.safetensors"
    sha256 = write_prior(path, short, SHORT, "cpu")
    read = MotionPrior.read(path, sha256)
    assert all(np.array_equal(read.arrays[name], array) for name, array in short.arrays.items())
    card = path.with_suffix(".md").read_text()
    assert sha256 in card
    assert "| steps | 3 |" in card
    assert write_prior(tmp_path / "again.safetensors", short, SHORT, "cpu") == sha256


def test_only_safetensors_are_written(short: MotionPrior, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"prior\.pt"):
        write_prior(tmp_path / "prior.pt", short, SHORT, "cpu")


def test_a_device_that_torch_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="'abacus'"):
        pretrain(SHORT, "abacus")


def test_the_shipped_prior_is_that_of_the_defaults() -> None:
    """The card has the settings and the tables that the package has now."""
    card = PRIOR_WEIGHTS.with_suffix(".md").read_text()
    for name, value in vars(Pretraining()).items():
        assert f"| {name} | {value} |" in card
    assert load_prior().units == SHOWN_UNITS
    assert load_prior().arrays["first.weight"].shape == (Pretraining().hidden, 392)


def test_the_shipped_prior_scores_well_on_drawn_clips() -> None:
    scores = score_on_drawn(load_prior())
    assert scores.accuracy > 3 / len(EMOTIONS)
    assert min(scores.unit_auc[unit] for unit in (1, 2, 4, 12, 17)) > 0.85
