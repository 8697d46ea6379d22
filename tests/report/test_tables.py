from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fake_results import make_predictions, make_result
from fakes import ROOT, make_clip
from microfacial.errors import StorageError
from microfacial.files import read_csv
from microfacial.records import Predictions
from microfacial.report.dvc_plots import write_plots
from microfacial.report.results import Result
from microfacial.report.tables import (
    count_clips,
    describe_clips,
    digest_ablation,
    drop_unused_flow,
    flatten,
    list_hardest,
    read_ablation,
    read_pins,
    share_by_subject,
)


def predicting(model: str, predicted: list[int]) -> Result:
    return replace(make_result(model), predictions=make_predictions(model, predicted))


def test_shares_of_a_subject_are_means_over_its_clips_and_repetitions() -> None:
    found = Predictions(
        model="m",
        protocol="loso",
        classes=("happiness", "disgust"),
        clips=np.array(["c/a/1", "c/a/2", "c/b/1"]),
        subjects=np.array(["c/a", "c/a", "c/b"]),
        truth=np.array([0, 1, 0]),
        predicted=np.array([[0, 0, 1], [0, 1, 1]]),
        probabilities=np.zeros((2, 3, 2)),
    )
    rows = share_by_subject([replace(make_result("m"), predictions=found)])
    assert [(row.subject, row.clips, row.shares) for row in rows] == [("c/b", 1, (0.0,)), ("c/a", 2, (0.75,))]


def test_the_majority_class_finds_no_clip_hard_and_no_subject() -> None:
    results = [predicting("majority", [1, 1]), predicting("a", [1, 0]), predicting("b", [1, 0])]
    (hard,) = list_hardest(results, 5)
    assert (hard.clip, hard.truth, hard.wrong, hard.asked) == ("c/s/1", "happiness", 2, 2)
    assert hard.said == (("disgust", 2),)
    assert share_by_subject(results)[0].mean == 0.5
    assert list_hardest(results[:1], 5) == []


def test_among_equally_hard_clips_the_one_with_the_least_probable_truth_comes_first() -> None:
    found = make_predictions("a", [1, 1])
    surer = replace(found, probabilities=np.array([[[0.4, 0.6], [0.2, 0.8]]]))
    results = [replace(make_result("a"), predictions=surer)]
    assert [(hard.clip, hard.chance) for hard in list_hardest(results, 2)] == [("c/s/2", 0.2), ("c/s/1", 0.4)]
    assert list_hardest(results, 0) == []


def test_clips_are_counted_by_class() -> None:
    clips = [make_clip(label="x"), make_clip(label="x", name="2"), make_clip(label="y", corpus="d", subject="t")]
    rows = count_clips(clips, ("x", "y"), by_person=True)
    assert [(row.name, row.counts) for row in rows] == [("c/s", (2, 0)), ("d/t", (0, 1))]
    assert [row.name for row in count_clips(clips, ("x", "y"), by_person=False)] == ["c", "d"]


def test_the_data_card_says_what_the_data_are() -> None:
    clips = [make_clip(), make_clip(name="2", apex_source="midpoint", notes="moved"), make_clip(subject="t", apex=3)]
    facts = dict(describe_clips(clips))
    assert facts["Clips"] == "3 of 2 subjects"
    assert facts["Clips a subject"] == "1–2, median 2"
    assert facts["Onset to apex"] == "10–20 ms, median 20 ms"  # 2 and 4 frames at 200 fps
    assert facts["Apex"] == "2 annotated, 1 midpoint"
    assert facts["Clips with a note"] == "1, each in clips.csv"
    assert "Onset to apex" not in dict(describe_clips([make_clip(onset=1, apex=1, offset=1)]))


def test_settings_are_written_as_params_yaml_writes_them() -> None:
    section = {"a": None, "b": {"c": True, "d": [1, 0.5]}, "e": "x"}
    assert list(flatten(section)) == [("a", "null"), ("b.c", "true"), ("b.d", "[1, 0.5]"), ("e", "x")]


def test_of_flow_the_part_of_the_chosen_method_is_kept() -> None:
    flow = {"method": "dis", "blur_sigma_px": 0.8, "dis": {"preset": "fast"}, "tvl1": {"tau": 0.25}}
    assert list(drop_unused_flow(flow)) == ["method", "blur_sigma_px", "dis"]


def test_pins_are_read_and_a_missing_one_names_the_remedy(tmp_path: Path) -> None:
    pins = read_pins(ROOT / "constraints.txt")
    assert f"torch=={pins['torch']}\n" in (ROOT / "constraints.txt").read_text()
    with pytest.raises(StorageError, match="does not pin numpy"):
        read_pins(tmp_path / "constraints.txt")


def test_an_ablation_is_read_by_its_digest_and_no_other(tmp_path: Path) -> None:
    for content in ("hybrid,uf1\nfull,0.5\n", "hybrid,uf1\nfull,0.6\n"):
        (tmp_path / "ablation.csv").write_text(content)
        digest = digest_ablation(tmp_path)
    assert read_ablation(tmp_path, digest).parts == [{"hybrid": "full", "uf1": "0.6"}]
    assert read_ablation(tmp_path, digest).shifts == []
    (tmp_path / "jitter.csv").write_text("shift_frames\n-8\n")
    with pytest.raises(StorageError, match=r"report\.ablation"):
        read_ablation(tmp_path, digest)
    assert read_ablation(tmp_path, digest_ablation(tmp_path)).shifts == [{"shift_frames": "-8"}]
    with pytest.raises(StorageError, match="Run `microfacial ablate`"):
        read_ablation(tmp_path / "none", digest)


def test_points_of_dvc_s_plots_are_a_file_a_model(tmp_path: Path) -> None:
    write_plots(tmp_path / "plots", [predicting("a", [1, 0]), predicting("b", [0, 0])])
    assert sorted(path.name for path in (tmp_path / "plots" / "confusion").iterdir()) == ["a.csv", "b.csv"]
    assert read_csv(tmp_path / "plots" / "confusion" / "a.csv") == [
        {"truth": "happiness", "predicted": "disgust"},
        {"truth": "happiness", "predicted": "happiness"},
    ]
    assert read_csv(tmp_path / "plots" / "subjects" / "a.csv") == [{"subject": "c/s", "right": "0.500000"}]
    assert not (tmp_path / "plots" / "loss").exists()  # none has epochs
