from dataclasses import replace

import numpy as np
import pytest
from variants import make_store, training_data

from microfacial.errors import ConfigError
from microfacial.models.inputs import PORTRAIT, face_area, portrait
from microfacial.models.motion_prior import MOTION_PRIOR, MotionPriorSettings
from microfacial.models.prior import emotion_shares, load_prior
from microfacial.preprocessing.alignment import mean_face
from microfacial.records import FaceStore, Samples

CLASSES = ("negative", "positive", "surprise")


@pytest.fixture
def samples(whole_faces: Samples) -> Samples:
    maps = np.random.default_rng(1).normal(size=(25, 2, 28, 28)).astype(np.float32)
    return replace(whole_faces, inputs=maps, classes=CLASSES)


def test_it_predicts_with_the_shipped_network_and_ignores_the_training_rows(samples: Samples) -> None:
    settings = MotionPriorSettings()
    fitted = MOTION_PRIOR.fit(training_data(samples), settings)
    other = replace(samples, inputs=samples.inputs * 7 + 3, labels=2 - samples.labels)
    expected = load_prior().class_probabilities(samples.inputs, emotion_shares(CLASSES))
    assert np.array_equal(fitted.predict(samples.inputs), expected)
    assert np.array_equal(MOTION_PRIOR.fit(training_data(other), settings).predict(samples.inputs), expected)


def test_a_restored_model_predicts_the_same(samples: Samples) -> None:
    fitted = MOTION_PRIOR.fit(training_data(samples), MotionPriorSettings())
    restored = MOTION_PRIOR.restore(MotionPriorSettings(), fitted.checkpoint())
    assert np.array_equal(restored.predict(samples.inputs), fitted.predict(samples.inputs))
    assert tuple(fitted.checkpoint()["shape"]) == (2, 28, 28)


def test_classes_that_are_not_emotions_are_refused(samples: Samples) -> None:
    with pytest.raises(ConfigError, match="'x'"):
        MOTION_PRIOR.fit(training_data(replace(samples, classes=("x", "y", "z"))), MotionPriorSettings())


def test_published_maps_are_not_cut() -> None:
    store = make_store(2, 28, windows=("onset>apex",))
    flow = np.random.default_rng(0).normal(size=(2, 1, 3, 28, 28)).astype(np.float16)
    maps = FaceStore(**{**vars(store), "flow": flow, "unit": "stretched"})
    assert np.array_equal(portrait(maps, 28).values, flow[:, 0, :2].astype(np.float32))


def test_flow_on_the_aligned_square_is_masked_and_cut_to_the_frame_of_drawn_faces() -> None:
    ramp = np.indices((100, 100)).astype(np.float16)  # motion grows to the right and down
    store = replace(make_store(1, 100), flow=np.tile(ramp, (1, 5, 1, 1, 1)))
    top, left, bottom, right = (round(share * 100) for share in PORTRAIT)
    motion = store.flow[0, 0].astype(np.float32) * face_area(100)
    values = portrait(store, 28).values
    assert values.shape == (1, 2, 28, 28)
    assert portrait(store, bottom - top).values.shape == (1, 2, bottom - top, bottom - top)
    assert values[0].mean(axis=(1, 2)) == pytest.approx(motion[:, top:bottom, left:right].mean(axis=(1, 2)), rel=0.01)


def test_the_eyes_of_the_mean_face_are_at_the_eyes_of_drawn_faces() -> None:
    top, left, bottom, right = PORTRAIT
    eyes = (mean_face(1) + 0.5)[[33, 133, 362, 263]]
    x, y = (eyes[:, 0] - left) / (right - left), (eyes[:, 1] - top) / (bottom - top)
    assert y.mean() == pytest.approx(0.27, abs=0.01)
    assert (x[2:].mean() - x[:2].mean()) / 2 == pytest.approx(0.27, abs=0.01)
