import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from microfacial.models import MODELS, Network
from microfacial.models.linear_svm import LinearSvmSettings
from microfacial.models.linear_svm import fit as fit_svm
from microfacial.models.roi_cnn import RoiCnn, RoiCnnSettings
from microfacial.records import ONSET_APEX, FaceStore, Samples
from microfacial.training import fit

NETWORKS = [name for name, variant in MODELS.items() if isinstance(variant, Network)]
PARAMETERS = {
    # encoder: Σ 9·in·out + 2·out over (3, 16, 32, 64, 256); head: 3 regions · 256 · 4 + 4
    ("roi_cnn", "default"): 9 * (3 * 16 + 16 * 32 + 32 * 64 + 64 * 256) + 2 * (16 + 32 + 64 + 256) + 3 * 256 * 4 + 4,
    # the same over (3, 32, 64, 128, 256)
    ("roi_cnn", "mission"): 9 * (3 * 32 + 32 * 64 + 64 * 128 + 128 * 256) + 2 * 480 + 3 * 256 * 4 + 4,
}


def store(clips: int = 3, side: int = 56) -> FaceStore:
    flow = np.random.default_rng(0).normal(size=(clips, 1, 2, side, side)).astype(np.float16)
    boxes = np.tile([[4, 4, 20, 52], [2, 4, 18, 52], [30, 10, 54, 46]], (clips, 1, 1))
    return FaceStore(
        clips=tuple(map(str, range(clips))),
        flow=flow,
        windows=(ONSET_APEX,),
        unit="px",
        boxes=boxes,
        regions=("eyes", "eyebrows", "mouth"),
    )


@pytest.mark.parametrize(("name", "preset"), PARAMETERS)
def test_parameters_are_counted_by_hand(name: str, preset: str) -> None:
    variant = MODELS[name]
    assert isinstance(variant, Network)
    settings = variant.settings.model_validate(variant.presets[preset])
    network = variant.build((3, 3, 28, 28), 4, settings)
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[name, preset]


@pytest.mark.parametrize("name", MODELS)
def test_every_preset_is_valid(name: str) -> None:
    assert "default" in MODELS[name].presets
    for preset in MODELS[name].presets.values():
        MODELS[name].settings.model_validate(preset)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_a_gradient_and_logits_are_one_a_class(name: str) -> None:
    variant = MODELS[name]
    assert isinstance(variant, Network)
    settings = variant.settings()
    inputs = torch.from_numpy(variant.make_inputs(store(), settings))
    network = variant.build(tuple(inputs.shape[1:]), 4, settings)
    logits = network(inputs)
    assert logits.shape == (3, 4)
    logits.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_state_survives_a_round_trip(name: str) -> None:
    variant = MODELS[name]
    assert isinstance(variant, Network)
    settings = variant.settings()
    inputs = torch.from_numpy(variant.make_inputs(store(), settings))
    first, second = (variant.build(tuple(inputs.shape[1:]), 4, settings).eval() for _ in range(2))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(inputs), second(inputs))


def test_mission_shapes_are_224_maps_and_a_256_vector_per_region() -> None:
    variant = MODELS["roi_cnn"]
    settings = variant.settings.model_validate(variant.presets["mission"])
    inputs = variant.make_inputs(store(2, 224), settings)
    assert inputs.shape == (2, 3, 3, 224, 224)
    assert isinstance(variant, Network)
    network = variant.build(inputs.shape[1:], 4, settings)
    assert isinstance(network, RoiCnn)
    assert network.encoder(torch.from_numpy(inputs).flatten(0, 1)).shape == (6, 256)


def test_a_short_fold_of_the_mission_preset_trains(samples: Samples) -> None:
    variant = MODELS["roi_cnn"]
    settings = variant.settings.model_validate({**variant.presets["mission"], "epochs": 1})
    flows = store(8, 224)
    inputs = variant.make_inputs(flows, settings)
    rows = Samples(
        inputs=inputs,
        labels=np.arange(8) % 4,
        subjects=np.repeat(["a", "b"], 4),
        corpora=np.repeat("c", 8),
        clips=np.array(flows.clips),
        classes=tuple("wxyz"),
    )
    fitted = fit(rows.take(np.arange(4)), rows.take(np.arange(4, 8)), 0, model="roi_cnn", settings=settings)
    assert fitted.predict(inputs).shape == (8, 4)


def test_dropout_is_off_when_predicting(samples: Samples) -> None:
    settings = RoiCnnSettings(input_px=16, widths=(8, 8, 8, 8), dropout=0.9, epochs=1)
    fitted = fit(samples.take(np.arange(12)), samples.take(np.arange(12, 24)), 0, model="roi_cnn", settings=settings)
    assert np.array_equal(fitted.predict(samples.inputs), fitted.predict(samples.inputs))


def test_svm_probabilities_rank_classes_as_the_machine_predicts(samples: Samples) -> None:
    settings = LinearSvmSettings(strengths=(0.01,), inner_folds=2)
    fitted = fit_svm(samples.take(np.arange(12)), samples.take(np.arange(12, 24)), settings, 0)
    flat = samples.inputs.reshape(len(samples.inputs), -1)
    assert np.array_equal(fitted.predict(samples.inputs).argmax(1), fitted.pipeline.predict(flat))


def test_svm_chooses_the_strength_that_is_best_over_groups_of_training_subjects(samples: Samples) -> None:
    candidates = (1e-4, 1e-3, 1e-2, 1e-1)
    known = samples.take(np.arange(24))
    flat = known.inputs.reshape(24, -1)

    def inner_score(strength: float) -> float:
        machine = make_pipeline(StandardScaler(), SVC(kernel="linear", C=strength, class_weight="balanced"))
        guesses = cross_val_predict(machine, flat, known.labels, groups=known.subjects, cv=GroupKFold(2))
        return float(f1_score(known.labels, guesses, average="macro"))

    settings = LinearSvmSettings(strengths=candidates, inner_folds=2)
    fitted = fit_svm(samples.take(np.arange(12)), samples.take(np.arange(12, 24)), settings, 0)
    assert fitted.chosen == f"C={max(candidates, key=inner_score):g}"
