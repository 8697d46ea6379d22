import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from microfacial.errors import StorageError
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.evaluation.result_files import read_evaluation, read_predictions, write_training
from microfacial.evaluation.scoring import pool
from microfacial.models.presets import resolve
from microfacial.records import DEMO_CORPUS, PRIOR_ON_DRAWN, SYNTHETIC, FoldResult, History, Samples
from microfacial.settings import check

CONFIG = TrainConfig(protocol="composite", repeats=2, bootstrap_draws=100)


def write_random_training(
    folder: Path,
    samples: Samples,
    config: TrainConfig,
    draw: Callable[[Any, int], NDArray[np.float64]] | None = None,
) -> None:
    """Write a training with random predictions."""
    draw = draw or np.random.default_rng(0).dirichlet
    folds = [
        FoldResult(
            plan=plan,
            truth=samples.labels[plan.test_rows],
            probabilities=draw([1, 1, 1], len(plan.test_rows)),
            chosen="",
            history=History(),
            seconds=0.1,
        )
        for plan in plan_folds(samples, config)
    ]
    write_training(folder, samples, folds, pool("m", samples, folds, config))


@pytest.fixture(params=[1, 2])
def folder(request: pytest.FixtureRequest, tmp_path: Path, samples: Samples) -> Path:
    """Return the folder of a training with random predictions and one or two repetitions."""
    write_random_training(tmp_path / "m", samples, CONFIG.model_copy(update={"repeats": request.param}))
    return tmp_path / "m"


def swap(content: dict[str, Any], key: str) -> None:
    content[key] = content[key][::-1]


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "uf1": (lambda content: content["overall"].update(uf1=0.99), "overall.uf1"),
    "uar": (lambda content: content["overall"].update(uar=0.99), "overall.uar"),
    "accuracy": (lambda content: content["overall"].update(accuracy=0.99), "overall.accuracy"),
    "subjects": (lambda content: content["overall"].update(subjects=3), "overall"),
    "no subjects": (lambda content: content["overall"].update(subjects=0), "0 subjects"),
    "uf1 of a corpus": (lambda content: content["corpora"]["a"].update(uf1=0.99), "a.uf1"),
    "deviation": (lambda content: content.update(uf1_sd=0.9), "uf1_sd"),
    "calibration": (lambda content: content.update(ece=0.0), "ece"),
    "mean over folds": (lambda content: content.update(mean_over_folds_uf1=0.99), "mean_over_folds_uf1"),
    "interval": (lambda content: swap(content, "uar_interval"), "uar_interval"),
    "no corpora": (lambda content: content.update(corpora={}), "corpora"),
    "one corpus": (lambda content: content["corpora"].pop("a"), "corpora"),
    "renamed corpus": (lambda content: content["corpora"].update(c=content["corpora"].pop("a")), "of b, c"),
    "classes": (lambda content: swap(content, "classes"), "evaluation.json counts"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_scores_that_contradict_the_predictions_are_refused(folder: Path, change: str) -> None:
    alter, place = CHANGES[change]
    path = folder / "evaluation.json"
    content = json.loads(path.read_text())
    alter(content)
    path.write_text(json.dumps(content))
    with pytest.raises(StorageError, match=place):
        read_predictions(folder)


@pytest.mark.parametrize("metric", ["uf1", "uar"])
def test_intervals_that_the_draws_do_not_give_are_refused(folder: Path, metric: str) -> None:
    settings = {"train": CONFIG.model_dump(mode="json")}
    (folder / "run.json").write_text(json.dumps({"settings": settings}))
    read_predictions(folder)
    path = folder / "evaluation.json"
    content = json.loads(path.read_text())
    content[f"{metric}_interval"] = [0.95, 0.99]
    path.write_text(json.dumps(content))
    with pytest.raises(StorageError, match=f"{metric}_interval.0 is 0.95"):
        read_predictions(folder)


def test_probabilities_that_contradict_the_calibration_are_refused(folder: Path) -> None:
    path = folder / "predictions.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    for row in rows:
        row |= {f"p_{label}": "1.000000" if label == row["predicted"] else "0.000000" for label in "xyz"}
    path.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n")
    with pytest.raises(StorageError, match="ece"):
        read_predictions(folder)


@pytest.mark.parametrize("protocol", ["loso", "composite", "leave-one-dataset-out", "holdout"])
def test_the_scores_of_every_protocol_are_accepted(tmp_path: Path, samples: Samples, protocol: str) -> None:
    subjects = np.array([f"{'ab'[row // 4 > 2]}/{row // 4}" for row in range(len(samples.labels))])
    clips = np.array([f"{subject}/{row}" for row, subject in enumerate(subjects)])
    corpora = np.array([subject[0] for subject in subjects])
    data = replace(samples, subjects=subjects, corpora=corpora, clips=clips)
    settings = {"protocol": protocol, "holdout": ["a/0", "b/4"] if protocol == "holdout" else []}
    write_random_training(tmp_path / "m", data, check({**settings, "repeats": 2}, TrainConfig, "train"))
    assert read_predictions(tmp_path / "m").protocol == protocol


@pytest.mark.parametrize("step", [1e-7, 1e-6])
def test_probabilities_that_are_almost_equal_are_accepted(tmp_path: Path, samples: Samples, step: float) -> None:
    random = np.random.default_rng(0)

    def nearly_uniform(_: object, count: int) -> NDArray[np.float64]:
        values = 1 / 3 + step * random.permuted(np.tile([-1.0, 0.0, 1.0], (count, 1)), axis=1)
        return np.asarray(values, np.float64)

    write_random_training(tmp_path / "m", samples, CONFIG, nearly_uniform)
    read_predictions(tmp_path / "m")


def test_a_clip_of_another_subject_is_refused(folder: Path) -> None:
    path = folder / "predictions.csv"
    path.write_text(path.read_text().replace(",a/0,", ",a/9,"))
    with pytest.raises(StorageError, match=r"predictions\.csv.*a/9"):
        read_predictions(folder)


def test_the_scores_of_another_model_are_refused(folder: Path) -> None:
    assert read_evaluation(folder, model="m").model == read_predictions(folder, model="m").model == "m"
    for read in (read_evaluation, read_predictions):
        with pytest.raises(StorageError, match=r"evaluation\.json.*scores of m\b"):
            read(folder, model="hybrid")


NOTES = {
    "real": ("mlp", {}, ""),
    "synthetic": ("mlp", {"start": None}, SYNTHETIC),
    "prior": ("mlp", {"start": "motion_prior"}, f"{SYNTHETIC}; {PRIOR_ON_DRAWN}"),
}


@pytest.fixture(params=NOTES)
def noted(request: pytest.FixtureRequest, folder: Path) -> tuple[Path, str]:
    """Let the training be real, synthetic, or synthetic with the motion prior. Return its folder and its note."""
    model, settings, note = NOTES[request.param]
    path = folder / "evaluation.json"
    text = path.read_text()
    content = json.loads(text if request.param == "real" else text.replace('"b"', f'"{DEMO_CORPUS}"'))
    path.write_text(json.dumps({**content, "model": model, "note": note}))
    resolved = resolve(model, settings, model).model_dump(mode="json")
    sections = {"faces": {}, "flow": {"method": "tvl1"}, "models": {model: resolved}}
    (folder / "settings.json").write_text(json.dumps(sections))
    return folder, note


def test_the_note_that_corpora_and_settings_give_is_accepted(noted: tuple[Path, str]) -> None:
    folder, note = noted
    assert read_evaluation(folder).note == note


@pytest.mark.parametrize("wrong", ["", SYNTHETIC, f"{SYNTHETIC}; {PRIOR_ON_DRAWN}", PRIOR_ON_DRAWN, "accurate"])
def test_any_other_note_is_refused(noted: tuple[Path, str], wrong: str) -> None:
    folder, note = noted
    if wrong == note:
        return
    path = folder / "evaluation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "note": wrong}))
    with pytest.raises(StorageError, match=r"evaluation\.json is damaged \(note"):
        read_evaluation(folder)


def test_without_settings_the_synthetic_note_is_still_required(folder: Path) -> None:
    path = folder / "evaluation.json"
    content = json.loads(path.read_text().replace('"b"', f'"{DEMO_CORPUS}"'))
    for note in (SYNTHETIC, f"{SYNTHETIC}; {PRIOR_ON_DRAWN}"):
        path.write_text(json.dumps({**content, "note": note}))
        assert read_evaluation(folder).note == note
    path.write_text(json.dumps({**content, "note": ""}))
    with pytest.raises(StorageError, match="note"):
        read_evaluation(folder)
