from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fake_results import make_hybrid, make_predictions, make_result
from fakes import make_clip
from microfacial.errors import StorageError
from microfacial.files import write_csv
from microfacial.records import Predictions
from microfacial.report.results import ModelResult
from microfacial.report.tables import (
    AblationTables,
    count_clips,
    describe_clips,
    digest_ablation,
    is_outdated,
    list_hardest,
    read_ablation,
    score_by_class,
    share_by_subject,
)


def predict(model: str, predicted: list[int]) -> ModelResult:
    return replace(make_result(model), predictions=make_predictions(model, predicted))


def test_scores_of_classes_are_averaged_over_repetitions() -> None:
    predictions = replace(make_predictions("m", [0, 1, 1, 0]), truth=np.array([0, 0, 1, 1]))
    predictions = replace(predictions, predicted=np.array([[0, 1, 1, 0], [0, 0, 1, 1]]))
    happiness, disgust = score_by_class(predictions)
    assert (happiness.label, happiness.clips) == ("happiness", 2)
    assert (happiness.f1, happiness.recall) == ((0.5 + 1) / 2, (0.5 + 1) / 2)
    assert disgust.clips == 2
    absent = score_by_class(make_predictions("m", [0, 1]))[1]
    assert absent.clips == 0
    assert np.isnan(absent.f1)


def test_the_share_of_a_subject_is_the_mean_over_its_clips_and_repetitions() -> None:
    predictions = Predictions(
        model="m",
        protocol="loso",
        classes=("happiness", "disgust"),
        clips=np.array(["c/a/1", "c/a/2", "c/b/1"]),
        subjects=np.array(["c/a", "c/a", "c/b"]),
        truth=np.array([0, 1, 0]),
        predicted=np.array([[0, 0, 1], [0, 1, 1]]),
        probabilities=np.zeros((2, 3, 2)),
    )
    rows = share_by_subject([replace(make_result("m"), predictions=predictions)])
    assert [(row.subject, row.clips, row.shares) for row in rows] == [("c/b", 1, (0.0,)), ("c/a", 2, (0.75,))]


def test_the_majority_model_does_not_count_for_hard_clips_and_subjects() -> None:
    results = [predict("majority", [1, 1]), predict("a", [1, 0]), predict("b", [1, 0])]
    (hard,) = list_hardest(results, 5)
    assert (hard.clip, hard.truth, hard.wrong, hard.models) == ("c/s/1", "happiness", 2, 2)
    assert hard.answers == (("disgust", 2),)
    assert share_by_subject(results)[0].mean == 0.5
    assert list_hardest(results[:1], 5) == []


def test_equally_hard_clips_are_sorted_by_the_probability_of_the_truth() -> None:
    predictions = replace(make_predictions("a", [1, 1]), probabilities=np.array([[[0.4, 0.6], [0.2, 0.8]]]))
    results = [replace(make_result("a"), predictions=predictions)]
    hardest = list_hardest(results, 2)
    assert [(hard.clip, hard.truth_probability) for hard in hardest] == [("c/s/2", 0.2), ("c/s/1", 0.4)]
    assert list_hardest(results, 0) == []


def test_clips_are_counted_by_class() -> None:
    clips = [make_clip(label="x"), make_clip(label="x", name="2"), make_clip(label="y", corpus="d", subject="t")]
    rows = count_clips(clips, ("x", "y"), by_person=True)
    assert [(row.name, row.counts) for row in rows] == [("c/s", (2, 0)), ("d/t", (0, 1))]
    assert [row.name for row in count_clips(clips, ("x", "y"), by_person=False)] == ["c", "d"]


def test_facts_describe_the_data_set() -> None:
    clips = [make_clip(), make_clip(name="2", apex_source="midpoint", notes="moved"), make_clip(subject="t", apex=3)]
    facts = dict(describe_clips(clips))
    assert facts["Clips"] == "3 of 2 subjects"
    assert facts["Clips per subject"] == "1–2, median 2"
    assert facts["Onset to apex"] == "10–20 ms, median 20 ms"  # 2 and 4 frames at 200 fps
    assert facts["Apex"] == "2 annotated, 1 midpoint"
    assert facts["Clips with a note"].startswith("1;")
    assert "Onset to apex" not in dict(describe_clips([make_clip(onset=1, apex=1, offset=1)]))


def write_ablation_table(path: Path, **cells: str) -> None:
    """Write an ablation table with one row; cells that are not given are empty."""
    differences = [f"_difference{end}" for end in ("", "_low", "_high")]
    scores = [f"{score}{end}" for score in ("uf1", "uar") for end in ("", "_sd", *differences)]
    row = {**dict.fromkeys([*scores, "note"], ""), "repeats": "1", **cells}
    write_csv(path, [row], list(row))


def test_an_ablation_is_read_only_if_its_digest_matches(tmp_path: Path) -> None:
    for uf1 in ("0.5", "0.6"):
        write_ablation_table(tmp_path / "ablation.csv", hybrid="full", uf1=uf1)
        digest = digest_ablation(tmp_path)
    (full,) = read_ablation(tmp_path, digest).parts
    assert (full["hybrid"], full["uf1"], full["uar_difference_low"]) == ("full", "0.6", "")
    assert read_ablation(tmp_path, digest).shifts == []
    write_ablation_table(tmp_path / "jitter.csv", shift_frames="-8", uf1="0.5")
    with pytest.raises(StorageError, match=digest):
        read_ablation(tmp_path, digest)
    (shift,) = read_ablation(tmp_path, digest_ablation(tmp_path)).shifts
    assert shift["shift_frames"] == "-8"
    with pytest.raises(StorageError, match=rf"none.*{digest}"):
        read_ablation(tmp_path / "none", digest)


@pytest.mark.parametrize(
    ("uf1", "repeats", "outdated"), [("0.123456", "1", False), ("0.2", "1", True), ("0.123456", "5", True)]
)
def test_an_ablation_with_another_score_or_repetitions_is_outdated(uf1: str, repeats: str, outdated: bool) -> None:
    ablation = AblationTables(parts=[{"hybrid": "full", "uf1": uf1, "repeats": repeats}], shifts=[])
    assert is_outdated(ablation, [make_hybrid()]) == outdated
    assert is_outdated(ablation, [make_result("m")])  # there is no hybrid
