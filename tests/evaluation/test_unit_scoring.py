import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from microfacial.datasets.action_units import SCORED_UNITS
from microfacial.errors import ConfigError, ProtocolError, StorageError
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.evaluation.unit_check import require_same_evaluation
from microfacial.evaluation.unit_files import (
    read_ranked_units,
    read_unit_curves,
    read_unit_predictions,
    read_units,
    unit_rows,
    write_units,
)
from microfacial.evaluation.unit_scoring import UnitPredictions, compare_units, keep_annotated, pool_units
from microfacial.records import FoldResult, History, Samples, UnitEvaluation
from microfacial.settings import check

CONFIG = TrainConfig(protocol="composite", bootstrap_draws=100, task="units")
UNITS = len(SCORED_UNITS)


@pytest.fixture
def annotated(samples: Samples) -> Samples:
    """Samples with units. Rows 3 and 24 have no annotation. Unit 17 never moves. One state of unit 1 is unknown."""
    units = (np.random.default_rng(2).random((25, UNITS)) < 0.4).astype(np.float32)
    units[[3, 24]] = np.nan
    units[:24, -1] = np.where(np.isnan(units[:24, -1]), np.nan, 0)
    units[5, 0] = np.nan
    return replace(samples, units=units)


def guess(samples: Samples) -> np.ndarray:
    return np.random.default_rng(3).random((len(samples.labels), UNITS))


def scored(samples: Samples) -> tuple[Samples, list[FoldResult], UnitEvaluation]:
    kept = keep_annotated(samples)
    probabilities = guess(kept)
    folds = [
        FoldResult(
            plan=plan,
            truth=kept.labels[plan.test_rows],
            probabilities=probabilities[plan.test_rows],
            chosen="",
            history=History(),
            seconds=0.0,
        )
        for plan in plan_folds(kept, CONFIG)
    ]
    return kept, folds, pool_units("m", kept, folds, CONFIG)


def test_rows_without_annotation_are_left_out(annotated: Samples) -> None:
    kept = keep_annotated(annotated)
    assert kept.task == "units"
    assert np.array_equal(kept.clips, np.delete(annotated.clips, [3, 24]))


def test_without_any_annotation_the_task_is_refused(samples: Samples) -> None:
    with pytest.raises(ProtocolError, match="task"):
        keep_annotated(replace(samples, units=np.full((25, UNITS), np.nan, np.float32)))


def test_scores_of_units_are_those_of_scikit_learn_and_means_skip_units_without_score(annotated: Samples) -> None:
    kept, _, evaluation = scored(annotated)
    assert kept.units is not None
    probabilities, f1, areas = guess(kept), [], []
    for column, score in enumerate(evaluation.units[:-1]):
        known = ~np.isnan(kept.units[:, column])
        truth, chances = kept.units[known, column], probabilities[known, column]
        f1.append(f1_score(truth, chances >= 0.5))
        areas.append(roc_auc_score(truth, chances))
        assert [score.f1, score.roc_area] == pytest.approx([f1[-1], areas[-1]])
        assert (score.clips, score.positives) == (23 - (column == 0), truth.sum())
        assert score.f1_interval is not None
        assert score.f1_interval[0] <= f1[-1] <= score.f1_interval[1]
    last = evaluation.units[-1]
    assert (last.positives, last.f1, last.roc_area, last.f1_interval) == (0, None, None, None)
    assert evaluation.overall.f1 == pytest.approx(np.mean(f1))
    assert evaluation.overall.roc_area == pytest.approx(np.mean(areas))
    assert (evaluation.overall.clips, evaluation.overall.subjects) == (23, 6)
    assert set(evaluation.corpora) == {"a"}
    assert evaluation.f1_over_corpora == pytest.approx(evaluation.overall.f1)


def test_the_mean_over_corpora_weighs_corpora_equally(annotated: Samples) -> None:
    subjects = np.array([f"{'abc'[number // 8 % 3]}/{number // 4}" for number in range(25)])
    corpora = np.array([subject[0] for subject in subjects])
    _, _, evaluation = scored(replace(annotated, subjects=subjects, corpora=corpora))
    parts = [means.f1 for means in evaluation.corpora.values() if means.f1 is not None]
    assert len(parts) == 3
    assert evaluation.f1_over_corpora == pytest.approx(np.mean(parts))


def test_files_bring_scores_back_and_refuse_those_of_another_model(annotated: Samples, tmp_path: Path) -> None:
    kept, folds, evaluation = scored(annotated)
    write_units(tmp_path / "m", kept, folds, evaluation)
    assert read_units(tmp_path / "m", model="m") == evaluation
    with pytest.raises(StorageError, match="scores of m"):
        read_units(tmp_path / "m", model="other")
    always = [row["f1_of_always"] for row in unit_rows(evaluation)]
    first = evaluation.units[0]
    assert always[0] == pytest.approx(2 * first.positives / (first.clips + first.positives))
    assert always[-1] is None


def edit_scores(path: Path, place: str, wrong: dict[str, object]) -> None:
    """Replace values in a file of scores. The place is that of their mapping, such as `units.0`."""
    content = json.loads(path.read_text())
    target = content
    for part in filter(None, place.split(".")):
        target = target[int(part) if part.isdigit() else part]
    target |= wrong
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        ("units.0", {"f1": 1.5}),
        ("units.0", {"f1": None}),
        ("units.0", {"positives": 99}),
        ("units.0", {"positives": 0}),
        ("units.0", {"unit": 3}),
        ("units.0", {"f1_interval": [0.9, 0.1]}),
        ("units.11", {"f1": 0.5}),
        ("overall", {"f1": 7.0}),
        ("overall", {"roc_area": -3.0}),
        ("overall", {"f1": None}),
        ("overall", {"clips": 0}),
        ("overall", {"subjects": 99}),
        ("corpora.a", {"f1": 5.0}),
        ("corpora.a", {"clips": -3}),
        ("", {"f1_interval": [-5.0, 9.0]}),
        ("", {"f1_interval": None}),
        ("", {"f1_sd": -1.0}),
        ("", {"corpora": {}}),
        ("", {"repeats": 0}),
        ("", {"protocol": "nonsense"}),
        ("", {"note": "great result"}),
    ],
)
def test_wrong_scores_in_a_file_are_refused(
    annotated: Samples, tmp_path: Path, place: str, wrong: dict[str, object]
) -> None:
    kept, folds, evaluation = scored(annotated)
    write_units(tmp_path / "m", kept, folds, evaluation)
    edit_scores(tmp_path / "m/units.json", place, wrong)
    with pytest.raises(StorageError, match=r"units\.json"):
        read_units(tmp_path / "m")


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("p_AU4", {"1": "0.9", "0": "0.1", "": "0.1"}),  # right predictions, but the scores of wrong ones
        ("AU4", {"1": "0", "0": "1", "": ""}),
        ("subject", {}),
    ],
)
def test_predictions_that_contradict_the_scores_are_refused(
    annotated: Samples, tmp_path: Path, column: str, cells: dict[str, str]
) -> None:
    kept, folds, evaluation = scored(annotated)
    write_units(tmp_path / "m", kept, folds, evaluation)
    path = tmp_path / "m/predictions.csv"
    header, *lines = [line.split(",") for line in path.read_text().splitlines()]
    for line in lines:
        line[header.index(column)] = cells[line[header.index("AU4")]] if cells else "a/one"
    path.write_text("".join(",".join(line) + "\n" for line in (header, *lines)))
    with pytest.raises(StorageError, match=r"predictions\.csv"):
        read_unit_predictions(tmp_path / "m")


@pytest.mark.parametrize(
    ("place", "wrong", "named"),
    [
        ("", {"f1_sd": 0.25}, "f1_sd"),
        ("", {"f1_interval": [0.01, 0.99]}, "overall.f1"),
        ("", {"roc_interval": [0.01, 0.99]}, "overall.roc_area"),
        ("units.0", {"f1_interval": [0.01, 0.99]}, "unit 1.f1"),
        ("units.0", {"roc_interval": [0.01, 0.99]}, "unit 1.roc_area"),
        ("overall", {"f1": 0.91}, "overall.f1"),
    ],
)
def test_scores_that_contradict_the_predictions_are_not_ranked(
    annotated: Samples, tmp_path: Path, place: str, wrong: dict[str, object], named: str
) -> None:
    kept, folds, evaluation = scored(annotated)
    write_units(tmp_path / "m", kept, folds, evaluation)
    bootstrap = {"bootstrap_draws": CONFIG.bootstrap_draws, "seed": CONFIG.seed}
    (tmp_path / "m/run.json").write_text(json.dumps({"settings": {"train": bootstrap}}))
    assert read_ranked_units(tmp_path, ["m"]) == [evaluation]
    edit_scores(tmp_path / "m/units.json", place, wrong)
    with pytest.raises(StorageError, match=named):
        read_ranked_units(tmp_path, ["m"])


def test_states_of_units_are_whole_numbers_or_empty_and_decimals_of_earlier_versions_are_read(
    annotated: Samples, tmp_path: Path
) -> None:
    kept, folds, evaluation = scored(annotated)
    write_units(tmp_path / "m", kept, folds, evaluation)
    path = tmp_path / "m/predictions.csv"
    header, *lines = [line.split(",") for line in path.read_text().splitlines()]
    columns = [header.index(f"AU{unit}") for unit in SCORED_UNITS]
    assert {line[column] for line in lines for column in columns} == {"0", "1", ""}
    truth = read_unit_predictions(tmp_path / "m").truth
    for line in lines:
        line[columns[0]] += ".000000" if line[columns[0]] else ""
    path.write_text("".join(",".join(line) + "\n" for line in (header, *lines)))
    assert np.array_equal(read_unit_predictions(tmp_path / "m").truth, truth, equal_nan=True)


def test_models_with_other_protocols_or_clips_are_not_ranked_together(annotated: Samples) -> None:
    _, _, evaluation = scored(annotated)
    require_same_evaluation([evaluation, replace(evaluation, model="other")])
    for part, other in (
        ("protocol", replace(evaluation, protocol="holdout")),
        ("clips", replace(evaluation, overall=replace(evaluation.overall, clips=3))),
        ("annotations", replace(evaluation, units=(replace(evaluation.units[0], clips=1), *evaluation.units[1:]))),
    ):
        with pytest.raises(ProtocolError, match=part):
            require_same_evaluation([evaluation, other])


def test_predictions_in_a_file_are_read_back(annotated: Samples, tmp_path: Path) -> None:
    kept, folds, evaluation = scored(annotated)
    write_units(tmp_path / "m", kept, folds, evaluation)
    predictions = read_unit_predictions(tmp_path / "m", model="m")
    order = np.argsort(kept.clips)
    assert predictions.clips.tolist() == kept.clips[order].tolist()
    assert predictions.subjects.tolist() == kept.subjects[order].tolist()
    assert kept.units is not None
    assert np.array_equal(predictions.truth, kept.units[order], equal_nan=True)
    assert predictions.probabilities == pytest.approx(guess(kept)[None, order], abs=1e-6)
    assert read_unit_curves(tmp_path / "m") == {fold.plan.key: History() for fold in folds}


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("AU4", "2"),
        ("AU4", "0.5"),
        ("AU4", ""),
        ("p_AU4", "1.5"),
        ("p_AU4", "nan"),
        ("p_AU4", ""),
        ("clip", "a/0/x"),
        ("repeat", "1"),
        ("repeat", "x"),
    ],
)
def test_a_wrong_cell_of_predictions_is_refused(annotated: Samples, tmp_path: Path, column: str, cell: str) -> None:
    kept, folds, evaluation = scored(annotated)
    write_units(tmp_path / "m", kept, folds, evaluation)
    path = tmp_path / "m/predictions.csv"
    header, first, second, *rest = path.read_text().splitlines()
    cells = dict(zip(header.split(","), first.split(","), strict=True))
    if column == "clip":
        cell = dict(zip(header.split(","), second.split(","), strict=True))["clip"]  # twice in a repetition
    path.write_text("\n".join([header, ",".join({**cells, column: cell}.values()), second, *rest, ""]))
    with pytest.raises(StorageError, match=r"predictions\.csv"):
        read_unit_predictions(tmp_path / "m")
    path.write_text("\n".join([header, first, *rest, ""]))
    with pytest.raises(StorageError, match=r"predictions\.csv"):
        read_unit_predictions(tmp_path / "m")


def as_predictions(samples: Samples, probabilities: np.ndarray, model: str) -> UnitPredictions:
    assert samples.units is not None
    return UnitPredictions(
        model=model,
        protocol="composite",
        clips=samples.clips,
        subjects=samples.subjects,
        truth=samples.units.astype(np.float64),
        probabilities=probabilities[None],
    )


def test_a_comparison_of_units_is_paired(annotated: Samples) -> None:
    kept, _, evaluation = scored(annotated)
    assert kept.units is not None
    guessed, right = as_predictions(kept, guess(kept), "m"), as_predictions(kept, np.nan_to_num(kept.units), "right")
    same = compare_units(guessed, guessed, 100, 0)
    assert (same.f1_difference, same.f1_interval, same.roc_interval) == (0, (0, 0), (0, 0))
    assert not same.tells_apart
    better = compare_units(right, guessed, 100, 0)
    assert evaluation.overall.f1 is not None
    assert evaluation.overall.roc_area is not None
    assert better.f1_difference == pytest.approx(1 - evaluation.overall.f1)
    assert better.roc_difference == pytest.approx(1 - evaluation.overall.roc_area)
    assert better.tells_apart
    assert better.subjects == 6
    worse = compare_units(guessed, right, 100, 0)
    assert worse.f1_interval is not None
    assert better.f1_interval == pytest.approx(tuple(-edge for edge in reversed(worse.f1_interval)))


@pytest.mark.parametrize("part", ["protocol", "clips", "subjects", "annotations"])
def test_units_of_other_clips_are_not_compared(annotated: Samples, part: str) -> None:
    kept, _, _ = scored(annotated)
    first = as_predictions(kept, guess(kept), "m")
    other = {
        "protocol": replace(first, protocol="loso"),
        "clips": first.take(np.arange(len(first.clips)) > 0),
        "subjects": replace(first, subjects=np.full(len(first.clips), "a/one")),
        "annotations": replace(first, truth=1 - first.truth),
    }
    with pytest.raises(ProtocolError, match=part):
        compare_units(first, other[part], 100, 0)


@pytest.mark.parametrize("flag", ["oracle", "checkpoints"])
def test_the_oracle_and_checkpoints_are_for_classes_only(flag: str) -> None:
    with pytest.raises(ConfigError, match=flag):
        check({"task": "units", flag: True}, TrainConfig, "params.yaml: train")
