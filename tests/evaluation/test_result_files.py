from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from microfacial.errors import StorageError
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.evaluation.result_files import (
    read_curves,
    read_evaluation,
    read_importances,
    read_predictions,
    write_training,
)
from microfacial.evaluation.scoring import gather, pool
from microfacial.files import read_arrays, read_csv, read_json, write_json
from microfacial.records import FoldResult, History, Samples

CONFIG = TrainConfig(protocol="composite", repeats=2, bootstrap_draws=100)


def train(samples: Samples, config: TrainConfig = CONFIG) -> list[FoldResult]:
    """Return folds with random predictions. The first fold has no validation curves."""
    folds = []
    for number, plan in enumerate(plan_folds(samples, config)):
        random = np.random.default_rng(plan.seed)
        validation = (1.5, 0.75) if number else ()
        folds.append(
            FoldResult(
                plan=plan,
                truth=samples.labels[plan.test_rows],
                probabilities=random.dirichlet([1, 1, 1], len(plan.test_rows)),
                chosen="epoch 2",
                history=History(training_loss=(1.0, 0.5), validation_loss=validation, validation_uar=validation),
                seconds=0.1,
                checkpoint={"layer.weight": random.normal(size=(2, 2)).astype(np.float32)},
            )
        )
    return folds


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_scores_and_predictions_are_read_as_they_were_written(tmp_path: Path, samples: Samples) -> None:
    folds = train(samples)
    evaluation = pool("m", samples, folds, CONFIG)
    write_training(tmp_path / "m", samples, folds, evaluation)
    assert read_evaluation(tmp_path / "m") == evaluation
    read_back, expected = read_predictions(tmp_path / "m"), gather("m", samples, folds, CONFIG)
    order = np.argsort(expected.clips)
    assert (read_back.model, read_back.protocol, read_back.classes) == ("m", "composite", samples.classes)
    assert np.array_equal(read_back.clips, expected.clips[order])
    assert np.array_equal(read_back.subjects, expected.subjects[order])
    assert np.array_equal(read_back.truth, expected.truth[order])
    assert np.array_equal(read_back.predicted, expected.predicted[:, order])
    assert np.allclose(read_back.probabilities, expected.probabilities[:, order], atol=1e-6)


def test_every_table_has_a_column_with_the_repetition(tmp_path: Path, samples: Samples) -> None:
    folds = train(samples)
    write_training(tmp_path / "m", samples, folds, pool("m", samples, folds, CONFIG))
    for name, rows in (("predictions", 25), ("folds", 7), ("history", 14), ("composite_m_results", 7)):
        table = read_csv(tmp_path / "m" / f"{name}.csv")
        assert [sum(row["repeat"] == repeat for row in table) for repeat in "01"] == [rows, rows]
    assert len(read_csv(tmp_path / "m" / "composite_m_summary.csv")) == 1


def test_scores_per_class_have_the_means_uf1_and_uar(tmp_path: Path, samples: Samples) -> None:
    folds = train(samples)
    evaluation = pool("m", samples, folds, CONFIG)
    write_training(tmp_path / "m", samples, folds, evaluation)
    rows = read_csv(tmp_path / "m" / "composite_m_classes.csv")
    assert [row["class"] for row in rows] == list(samples.classes)
    assert [int(row["clips"]) for row in rows] == np.bincount(samples.labels).tolist()
    assert np.mean([float(row["f1"]) for row in rows]) == pytest.approx(evaluation.overall.uf1, abs=1e-6)
    assert np.mean([float(row["recall"]) for row in rows]) == pytest.approx(evaluation.overall.uar, abs=1e-6)
    assert all(float(row["f1_sd"]) > 0 for row in rows)
    assert {row["note"] for row in rows} == {evaluation.note}


def test_cells_of_a_class_without_clips_are_empty(tmp_path: Path, samples: Samples) -> None:
    config = TrainConfig(protocol="holdout", holdout=("a/1",), bootstrap_draws=100)
    folds = train(samples, config)
    write_training(tmp_path / "m", samples, folds, pool("m", samples, folds, config))
    *_, last = read_csv(tmp_path / "m" / "holdout_m_classes.csv")
    assert [last[name] for name in ("class", "clips", "f1", "f1_sd", "recall")] == ["z", "0", "", "", ""]


def test_a_missing_curve_leaves_its_cells_empty(tmp_path: Path, samples: Samples) -> None:
    folds = train(samples)
    write_training(tmp_path / "m", samples, folds, pool("m", samples, folds, CONFIG))
    first, *_, last = read_csv(tmp_path / "m" / "history.csv")
    assert (first["training_loss"], first["validation_loss"], first["validation_uar"]) == ("1.000000", "", "")
    assert last["validation_loss"] == "0.750000"


def test_tables_are_named_after_the_protocol_and_count_by_subject(tmp_path: Path, samples: Samples) -> None:
    config = TrainConfig(protocol="holdout", holdout=("a/1", "b/0"), bootstrap_draws=100)
    folds = train(samples, config)
    write_training(tmp_path / "m", samples, folds, pool("m", samples, folds, config))
    results = read_csv(tmp_path / "m" / "holdout_m_results.csv")
    assert [(row["subject"], row["clips"]) for row in results] == [("a/1", "4"), ("b/0", "1")]
    (audit,) = read_csv(tmp_path / "m" / "folds.csv")
    assert (audit["held_out"], audit["held_out_subjects"]) == ("holdout", "a/1 b/0")
    assert "a/1" not in audit["validation_folds"].split()
    assert {row["subject"] for row in read_csv(tmp_path / "m" / "predictions.csv")} == {"a/1", "b/0"}


def test_files_do_not_depend_on_the_time(tmp_path: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    folds = train(samples)
    evaluation = pool("m", samples, folds, CONFIG)
    write_training(tmp_path / "first" / "m", samples, folds, evaluation)
    monkeypatch.setattr("time.time", lambda: 1e9)
    write_training(tmp_path / "second" / "m", samples, folds, evaluation)
    assert read_bytes(tmp_path / "first") == read_bytes(tmp_path / "second")


def test_each_checkpoint_is_one_file_and_none_is_written_without_checkpoints(tmp_path: Path, samples: Samples) -> None:
    folds = train(samples)
    evaluation = pool("m", samples, folds, CONFIG)
    write_training(tmp_path / "m", samples, folds, evaluation)
    arrays = read_arrays(tmp_path / "m" / "checkpoints" / "b-0#1.npz")
    assert np.array_equal(arrays["layer.weight"], folds[-1].checkpoint["layer.weight"])
    assert len(list((tmp_path / "m" / "checkpoints").iterdir())) == 14
    write_training(tmp_path / "m", samples, [replace(fold, checkpoint={}) for fold in folds], evaluation)
    assert not (tmp_path / "m" / "checkpoints").exists()


def test_scores_of_another_version_are_refused(tmp_path: Path, samples: Samples) -> None:
    folds = train(samples)
    write_training(tmp_path / "m", samples, folds, pool("m", samples, folds, CONFIG))
    content = read_json(tmp_path / "m" / "evaluation.json")
    write_json(tmp_path / "m" / "evaluation.json", {key: content[key] for key in content if key != "ece"})
    with pytest.raises(StorageError, match="another version of microfacial"):
        read_predictions(tmp_path / "m")


def test_curves_are_read_by_fold_and_missing_ones_are_empty(tmp_path: Path, samples: Samples) -> None:
    folds = train(samples)
    write_training(tmp_path / "m", samples, folds, pool("m", samples, folds, CONFIG))
    assert read_curves(tmp_path / "m") == {fold.plan.key: fold.history for fold in folds}
    without = [replace(fold, history=History(), chosen="") for fold in folds]
    write_training(tmp_path / "m", samples, without, pool("m", samples, folds, CONFIG))
    assert read_curves(tmp_path / "m") == {fold.plan.key: History() for fold in folds}


@pytest.mark.parametrize("windows", [("onset>apex",), ()])  # a graph of regions has no windows
def test_importances_are_averaged_over_repetitions(tmp_path: Path, samples: Samples, windows: tuple[str, ...]) -> None:
    named = replace(samples, regions=("eyes", "mouth"), windows=windows)
    folds = [
        replace(
            fold,
            importances={
                "fusion": np.stack([fold.plan.test_rows + fold.plan.repeat, fold.plan.test_rows], axis=1) / 1.0,
                "graph_regions": np.full((len(fold.truth), 2), 0.5),
                "transformer_regions": np.full((len(fold.truth), 2), 0.5),
                "windows": np.ones((len(fold.truth), len(windows))),
                "attention": np.tile(np.eye(2), (len(fold.truth), 1, 1)),
            },
        )
        for fold in train(named)
    ]
    evaluation = pool("m", named, folds, CONFIG)
    write_training(tmp_path / "m", named, folds, evaluation)
    read_back = read_importances(tmp_path / "m")
    assert read_back is not None
    assert (read_back.region_names, read_back.window_names) == (named.regions, named.windows)
    rows = np.argsort(named.clips)
    assert np.array_equal(read_back.clips, named.clips[rows])
    assert np.array_equal(read_back.fusion, np.stack([rows + 0.5, rows], axis=1))  # repetitions 0 and 1
    assert np.array_equal(read_back.attention, np.tile(np.eye(2), (25, 1, 1)))
    write_training(tmp_path / "m", samples, train(samples), evaluation)
    assert read_importances(tmp_path / "m") is None
