"""Folds and scores from Python, compared with those of the stages."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from microfacial.api.features import Features
from microfacial.datasets.action_units import SCORED_UNITS, label_units
from microfacial.errors import ConfigError, ProtocolError, StorageError
from microfacial.evaluation.experiment import Data, load_data, run_folds, score, score_action_units
from microfacial.evaluation.folds import train_chunk
from microfacial.evaluation.protocols import plan_folds
from microfacial.inference.networks import create_model
from microfacial.models import MODELS
from microfacial.models.hybrid import Hybrid
from microfacial.models.inputs import make_samples
from microfacial.models.presets import resolve
from microfacial.records import PRIOR_ON_DRAWN


@pytest.fixture(scope="module")
def data(computed: Path) -> Data:
    return load_data(computed)


def test_load_data_reads_the_outputs_of_the_stages_and_the_protocol(data: Data) -> None:
    assert len(data.clips) == len(data.store.clips) == 12
    assert data.store.flow.shape == (12, 5, 2, 56, 56)
    assert data.classes == ("happiness", "disgust", "surprise", "repression")
    assert (data.protocol.protocol, data.protocol.validation_folds) == ("loso", 3)


def test_scores_of_the_motion_prior_on_drawn_clips_carry_its_note(data: Data) -> None:
    assert PRIOR_ON_DRAWN in score(data, list(run_folds(data, "motion_prior"))).note
    assert PRIOR_ON_DRAWN not in score(data, list(run_folds(data, "majority"))).note


def test_clips_that_are_not_those_of_the_store_are_refused(data: Data) -> None:
    """Each clip would be paired with the flow of another clip."""
    first = data.clips[0].id
    with pytest.raises(ConfigError, match=first):
        replace(data, clips=data.clips[1:])
    with pytest.raises(ConfigError, match="order"):
        replace(data, clips=data.clips[::-1])


def test_flow_that_is_not_finite_is_refused_with_its_clip(data: Data) -> None:
    flow = data.store.flow.copy()
    flow[3] = np.nan
    with pytest.raises(StorageError, match=data.clips[3].id):
        run_folds(replace(data, store=replace(data.store, flow=flow)), "linear_svm")


def test_keys_of_the_protocol_can_be_replaced(computed: Path) -> None:
    protocol = load_data(computed, seed=7).protocol
    assert (protocol.seed, protocol.validation_folds) == (7, 3)
    with pytest.raises(ConfigError, match=r"train\.sead"):
        load_data(computed, sead=7)


def test_each_subject_is_tested_and_scored_once(data: Data) -> None:
    folds = list(run_folds(data, "majority"))
    assert sorted(fold.plan.name for fold in folds) == [f"demo/sub0{number}" for number in (1, 2, 3, 4)]
    scores = score(data, folds, "majority")
    assert (scores.model, scores.overall.clips, scores.overall.subjects) == ("majority", 12, 4)
    labels = np.array([clip.label for clip in data.clips])
    correct = sum(int((labels[fold.plan.test_rows] == np.array(data.classes)[fold.predicted]).sum()) for fold in folds)
    assert scores.overall.accuracy == pytest.approx(correct / 12)


def test_a_model_that_ignores_the_seed_has_one_repetition_and_a_network_has_all(data: Data) -> None:
    repeated = replace(data, protocol=data.protocol.model_copy(update={"repeats": 3, "seed": 4}))
    folds = list(run_folds(repeated, "linear_svm"))
    assert [fold.plan.repeat for fold in folds] == [4] * 4
    scores = score(repeated, folds)
    assert (scores.repeats, scores.uf1_sd, scores.overall.clips) == (1, 0, 12)
    settings: dict[str, Any] = {"input_px": 8, "epochs": 1}
    networks = sorted(run_folds(repeated, "mlp", **settings), key=lambda fold: fold.plan.repeat)
    assert [fold.plan.repeat for fold in networks] == [4] * 4 + [5] * 4 + [6] * 4
    assert score(repeated, networks).repeats == 3
    with pytest.raises(ProtocolError):
        score(repeated, networks[:8])


def test_settings_reach_the_model(data: Data) -> None:
    folds = run_folds(data, "roi_cnn", input_px=16, widths=(8, 8, 8, 8), epochs=2)
    assert len(next(folds).history.training_loss) == 2


def test_settings_are_checked_before_training(data: Data) -> None:
    with pytest.raises(ConfigError, match=r"roi_cnn\.epoch"):
        run_folds(data, "roi_cnn", epoch=2)


@pytest.mark.parametrize("processes", [0, -1, True, 1.0, "2"])
def test_a_wrong_number_of_processes_is_refused_before_training(data: Data, processes: Any) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"found {processes!r}")):
        run_folds(data, "majority", processes=processes)


def test_without_a_number_of_processes_all_cores_are_used(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microfacial.workers.cpu_count", lambda: 1)
    assert len(list(run_folds(data, "majority", processes=None))) == 4


@pytest.mark.parametrize("project", [None, b".", 3])
def test_a_project_that_is_no_path_is_refused(project: Any) -> None:
    with pytest.raises(ConfigError, match=rf"load_data: project .*{project!r}"):
        load_data(project)


def test_features_in_place_of_data_are_refused(features: Features) -> None:
    with pytest.raises(ConfigError, match=r"run_folds .*Features"):
        run_folds(features, "majority")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"score .*Features"):
        score(features, [])  # type: ignore[arg-type]


def test_action_units_are_scored_on_the_clips_that_are_annotated(data: Data) -> None:
    units = _for_units(data)
    unknown = replace(units, clips=(replace(units.clips[0], action_units=""), *units.clips[1:]))
    folds = list(run_folds(unknown, "motion_prior"))
    scores = score_action_units(unknown, iter(folds), "prior")
    assert (scores.model, scores.overall.clips, PRIOR_ON_DRAWN in scores.note) == ("prior", 11, True)
    moved = np.concatenate([fold.probabilities[:, SCORED_UNITS.index(12)] for fold in folds]).round(6) > 0.5
    subjects = [plan.name for plan in (fold.plan for fold in folds)]
    clips = sorted(unknown.clips[1:], key=lambda clip: subjects.index(f"{clip.corpus}/{clip.subject}"))
    truth = [label_units(clip.action_units, (12,)) == (1.0,) for clip in clips]
    assert scores.units[SCORED_UNITS.index(12)].f1 == pytest.approx(f1_score(truth, moved))


def test_folds_of_the_other_task_are_not_scored(data: Data) -> None:
    units = _for_units(data)
    classes, moved = list(run_folds(data, "majority")), list(run_folds(units, "majority"))
    with pytest.raises(ConfigError, match=r"score: train\.task is units"):
        score(units, moved)
    with pytest.raises(ConfigError, match=r"score_action_units: train\.task is classes"):
        score_action_units(data, classes)
    with pytest.raises(ConfigError, match="found 12"):
        score(data, moved)
    with pytest.raises(ConfigError, match="found 4"):
        score_action_units(units, classes)
    with pytest.raises(ProtocolError):
        score_action_units(units, moved[1:])


def _for_units(data: Data) -> Data:
    return replace(data, protocol=data.protocol.model_copy(update={"task": "units"}))


def test_an_iterator_over_folds_is_scored_like_a_list(data: Data) -> None:
    assert score(data, run_folds(data, "majority")) == score(data, list(run_folds(data, "majority")))


@pytest.mark.parametrize(("folds", "found"), [([1, 2], "int"), (None, "NoneType"), (3, "int"), ("x", "str")])
def test_results_that_are_no_folds_are_refused(data: Data, folds: Any, found: str) -> None:
    with pytest.raises(ConfigError, match=f"score .*{found}"):
        score(data, folds)


def test_a_missing_fold_is_not_scored(data: Data) -> None:
    with pytest.raises(ProtocolError, match="model"):
        score(data, list(run_folds(data, "majority"))[1:])


def test_missing_features_are_refused(tmp_path: Path, computed: Path) -> None:
    (tmp_path / "params.yaml").write_text((computed / "params.yaml").read_text())
    with pytest.raises(StorageError, match="tiny"):
        load_data(tmp_path)


def test_importances_of_the_hybrid_are_the_means_over_its_networks(data: Data) -> None:
    settings: dict[str, Any] = {"epochs": 2, "input_px": 8, "ensemble_size": 2}
    resolved = resolve("hybrid", settings, "hybrid")
    inputs = MODELS["hybrid"].make_inputs(data.store, resolved)
    samples = make_samples(inputs, data.store, data.clips, data.classes)
    plan = plan_folds(samples, data.protocol)[0]
    (fold,) = train_chunk(samples, (plan,), "hybrid", resolved, checkpoints=True)
    assert samples.regions == (*data.store.regions, "whole face")
    maps = torch.from_numpy(samples.inputs[plan.test_rows])
    expected = []
    for member in range(2):
        network = cast(
            Hybrid, create_model("hybrid", shape=maps.shape[1:], classes=len(data.classes), **settings)
        ).eval()
        names = [name.removeprefix("network.") for name in fold.checkpoint if name.startswith("network.")]
        network.load_state_dict({name: torch.from_numpy(fold.checkpoint[f"network.{name}"][member]) for name in names})
        scale = torch.from_numpy(fold.checkpoint["scale"][member])[:, None, None]
        with torch.no_grad():
            expected.append(network.importances(maps / scale))
    for name in ("fusion", "graph_regions", "transformer_regions", "windows"):
        mean = torch.stack([getattr(found, name) for found in expected]).mean(0)
        assert fold.importances[name] == pytest.approx(mean.numpy(), abs=1e-5)
    attention = torch.stack([found.attention.mean((1, 2)) for found in expected]).mean(0)
    assert fold.importances["attention"] == pytest.approx(attention.numpy(), abs=1e-5)
    assert next(run_folds(data, "majority")).importances == {}
