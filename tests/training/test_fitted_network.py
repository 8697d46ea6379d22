"""Predictions and checkpoints of trained networks."""

import io

import numpy as np
import pytest
import torch

from microfacial.records import Samples
from microfacial.training.fit import restore
from networks import FitTiny, TinySettings, tiny


@pytest.mark.parametrize("changes", [{}, {"ensemble_size": 3, "test_time_flip": True, "ema_decay": 0.9}])
def test_a_checkpoint_restores_the_same_predictions(
    fit_tiny: FitTiny, samples: Samples, changes: dict[str, object]
) -> None:
    fitted = fit_tiny(**changes)
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **fitted.checkpoint())
    stream.seek(0)
    with np.load(stream) as arrays:
        restored = restore(tiny(), TinySettings().model_copy(update=changes), arrays)
    assert np.array_equal(restored.predict(samples.inputs), fitted.predict(samples.inputs))
    assert restored.checkpoint().keys() == fitted.checkpoint().keys()
    assert restored.chosen == fitted.chosen


def test_test_time_flip_averages_a_face_and_its_mirror_image(fit_tiny: FitTiny, samples: Samples) -> None:
    plain, flipped = fit_tiny(), fit_tiny(test_time_flip=True)
    mirrored = samples.inputs[..., ::-1].copy()
    mirrored[..., 0, :, :] *= -1
    expected = (plain.predict(samples.inputs) + plain.predict(mirrored)) / 2
    assert flipped.predict(samples.inputs) == pytest.approx(expected, abs=1e-9)


def test_an_ensemble_predicts_the_mean_of_its_networks(fit_tiny: FitTiny, samples: Samples) -> None:
    ensemble = fit_tiny(ensemble_size=3, epochs=3)
    scaled = [samples.inputs / scale[:, None, None] for scale in ensemble.scale]
    logits = [
        ensemble.stack.member(member).predict(torch.from_numpy(inputs)[None])[0].double()
        for member, inputs in enumerate(scaled)
    ]
    expected = torch.stack(logits).softmax(2).mean(0).numpy()
    assert ensemble.predict(samples.inputs) == pytest.approx(expected, abs=1e-12)


def test_views_are_predicted_like_their_copies(fit_tiny: FitTiny, samples: Samples) -> None:
    fitted = fit_tiny(epochs=2)
    for view in (samples.inputs[::-1], samples.inputs[..., ::-1], samples.inputs.swapaxes(-1, -2)):
        assert np.array_equal(fitted.predict(view), fitted.predict(view.copy()))


def test_bfloat16_is_close_to_float32(fit_tiny: FitTiny, samples: Samples) -> None:
    exact, rough = (fit_tiny(epochs=2, precision=kind).predict(samples.inputs) for kind in ("float32", "bfloat16"))
    assert not np.array_equal(exact, rough)
    assert exact == pytest.approx(rough, abs=0.05)
