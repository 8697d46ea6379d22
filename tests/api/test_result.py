"""Tables, text and drawings of a result. Expected values come from scikit-learn or were computed by hand."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import f1_score, precision_recall_fscore_support

from fake_results import make_evaluation
from microfacial.api.result import Result
from microfacial.errors import ConfigError, StorageError
from microfacial.evaluation.protocols import TrainConfig
from microfacial.models.majority import MajoritySettings
from microfacial.records import Predictions

TRUTH = np.array([0, 0, 1, 1, 2, 2])
PREDICTED = np.array([[0, 1, 1, 1, 2, 0], [0, 0, 1, 0, 2, 2]])


@pytest.fixture
def result() -> Result:
    predictions = Predictions(
        model="my_model",
        protocol="loso",
        classes=("x", "y_1", "z"),
        clips=np.array([f"c/s{row // 3}/{row}" for row in range(6)]),
        subjects=np.array(["c/s0"] * 3 + ["c/s1"] * 3),
        truth=TRUTH,
        predicted=PREDICTED,
        probabilities=np.eye(3)[PREDICTED] * 0.7 + 0.1,
    )
    return Result(
        evaluation=make_evaluation("my_model", note="50 % of it", repeats=2),
        predictions=predictions,
        folds=(),
        protocol=TrainConfig(repeats=2, seed=4, bootstrap_draws=100),
        settings=MajoritySettings(),
    )


def test_a_row_per_clip_and_repetition(result: Result) -> None:
    table = result.to_frame()
    assert len(table) == 12
    assert table.iloc[7].to_dict() == {
        "clip": "c/s0/1",
        "subject": "c/s0",
        "repeat": 5,
        "truth": "x",
        "predicted": "x",
        "p_x": pytest.approx(0.8),
        "p_y_1": pytest.approx(0.1),
        "p_z": pytest.approx(0.1),
    }


def test_subjects_have_their_share_of_correct_predictions(result: Result) -> None:
    table = result.to_frame("subjects").set_index("subject")
    assert table["clips"].tolist() == [3, 3]
    assert table["accuracy"].tolist() == pytest.approx([5 / 6, 4 / 6])


def test_scores_of_classes_are_those_of_scikit_learn(result: Result) -> None:
    table = result.to_frame("classes")
    expected = np.mean([precision_recall_fscore_support(TRUTH, row)[:3] for row in PREDICTED], axis=0)
    assert table["class"].tolist() == ["x", "y_1", "z"]
    assert np.allclose(table[["precision", "recall", "f1"]].T, expected)


def test_scores_have_intervals_for_all_clips_only(result: Result) -> None:
    several = replace(result.evaluation, corpora={"a": result.evaluation.overall, "b": result.evaluation.overall})
    table = replace(result, evaluation=several).to_frame("scores").set_index("clips of")
    assert table.index.tolist() == ["all", "a", "b"]
    assert np.array_equal(table[["uf1_low", "uf1_high", "uar_low", "uar_high"]].iloc[0], [0.1, 0.2, 0.6, 0.8])
    assert table[["uf1_low", "uar_high"]].iloc[1:].isna().all(axis=None)
    assert (table["note"] == "50 % of it").all()


def test_the_summary_has_the_scores_the_intervals_and_the_note(result: Result) -> None:
    lines = str(result).splitlines()
    assert lines[0].startswith("my_model: leave-one-subject-out")
    assert lines[0].endswith("2 repetitions")
    assert lines[1] == "UF1 0.123, 95 % interval 0.100 to 0.200, standard deviation 0.012 over repetitions"
    assert lines[-1] == "50 % of it"


def test_a_table_in_latex_escapes_names_and_has_a_caption(result: Result) -> None:
    latex = result.to_latex("classes")
    assert r"y\_1 & 2 & " in latex
    assert r"\caption{my\_model: " in latex
    assert r"50 \% of it" in latex
    assert r"\toprule" in latex


def test_a_csv_file_has_the_rows_of_the_table(result: Result, tmp_path: Path) -> None:
    result.to_csv(tmp_path / "new" / "clips.csv")
    with (tmp_path / "new" / "clips.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["clip"] for row in rows] == result.to_frame()["clip"].tolist()


@pytest.mark.parametrize("kind", ["confusion", "subjects", "calibration"])
def test_a_result_draws_itself(result: Result, kind: str) -> None:
    assert isinstance(result.plot(kind), Figure)


def test_unknown_rows_and_drawings_are_named_with_the_choices(result: Result) -> None:
    with pytest.raises(ConfigError, match=r"people.*clips, subjects, classes, scores"):
        result.to_frame("people")
    with pytest.raises(ConfigError, match=r"heatmap.*confusion, subjects, calibration, curves"):
        result.plot("heatmap")
    with pytest.raises(ConfigError, match="my_model has no epochs"):
        result.plot("curves")


def test_a_class_without_test_clips_has_no_scores_and_uf1_is_the_mean_of_the_others(result: Result) -> None:
    truth = np.array([0, 0, 1, 1, 0, 1])
    table = replace(result, predictions=replace(result.predictions, truth=truth)).to_frame("classes")
    assert table["clips"].tolist() == [3, 3, 0]
    assert table["recall"].isna().tolist() == table["f1"].isna().tolist() == [False, False, True]
    expected = [f1_score(truth, predicted, average="macro", labels=[0, 1]) for predicted in PREDICTED]
    assert table["f1"].mean() == pytest.approx(np.mean(expected))


def test_a_number_in_place_of_a_path_is_refused(result: Result) -> None:
    with pytest.raises(ConfigError, match="3"):
        result.to_csv(3)  # type: ignore[arg-type]


def test_a_table_that_cannot_be_written_gives_one_line(result: Result, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place, named in ((tmp_path, "is a folder"), (tmp_path / "file" / "a.csv", r"a\.csv cannot be written")):
        with pytest.raises(StorageError, match=named):
            result.to_csv(place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
