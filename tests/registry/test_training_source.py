"""A training is refused if params.yaml, the clips, the faces or the flow have changed since."""

import csv
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fake_versions import Run, change
from fakes import replace_flow
from microfacial.files import read_csv, read_json, write_json


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("models", {"roi_cnn": {"input_px": 16, "epochs": 9}}, r"models\.roi_cnn\.\w+ "),
        ("flow", {"blur_sigma_px": 2.0}, "flow.blur_sigma_px .*2.0.* 0.8"),
        ("faces", {"regions": "facs-8"}, "faces.regions .*'facs-8'.* 'mission'"),
        ("train", {"seed": 1}, "train.seed .*1.* 0"),
        ("train", {"repeats": 2}, "train.repeats .*2.* 1"),
        ("train", {"protocol": "composite"}, "train.protocol .*'composite'.* 'loso'"),
        ("clips", {"scheme": "casme2-5"}, "clips.scheme "),
    ],
)
def test_a_changed_setting_is_refused_with_its_key_and_both_values(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str], section: str, values: dict[str, Any], message: str
) -> None:
    change(section, **values)
    assert run("register", "roi_cnn") == 2
    assert re.search(f"params.yaml: {message}.*dvc repro", capsys.readouterr().err)


def test_a_missing_or_untrained_model_is_refused(place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("register", "hybrid") == 2
    assert re.search("models.hybrid .*majority, linear_svm, roi_cnn", capsys.readouterr().err)
    change("models", rgb={})
    assert run("register", "rgb") == 2
    assert re.search("rgb .*tiny.*dvc repro", capsys.readouterr().err)


def test_predictions_for_other_clips_are_refused(place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("results/tiny/train/roi_cnn/predictions.csv")
    *_, last = read_csv(path)
    path.write_text(path.read_text().replace(last["clip"], f"{last['clip']}x"))
    assert run("register", "roi_cnn") == 2
    assert re.search(r"train/roi_cnn: .*clips\.csv.*dvc repro", capsys.readouterr().err)


def test_the_run_file_of_another_model_is_refused(place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy("results/tiny/train/linear_svm/run.json", "results/tiny/train/roi_cnn/run.json")
    assert run("register", "roi_cnn") == 2
    assert re.search(r"train/roi_cnn/run\.json .*linear_svm.*dvc repro", capsys.readouterr().err)


@pytest.mark.parametrize("name", ["clips.csv", "flow"])
def test_changed_inputs_of_the_training_are_refused(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    if name == "flow":
        path = Path("results/tiny/flow/flow.npy")
        replace_flow(path, np.load(path) * 2)
    else:
        rows = list(csv.reader(Path("results/tiny/clips.csv").read_text().splitlines()))
        apex = rows[0].index("apex")
        with Path("results/tiny/clips.csv").open("w", newline="") as stream:
            moved = [[*row[:apex], str(int(row[apex]) - 1), *row[apex + 1 :]] for row in rows[1:]]
            csv.writer(stream).writerows([rows[0], *moved])
        shutil.rmtree("results/tiny/settings")  # only the hash in run.json shows the change
    assert run("register", "roi_cnn") == 2
    assert re.search(rf"train/roi_cnn: {re.escape(name)} .*dvc repro", capsys.readouterr().err)


@pytest.mark.parametrize("bundle", ["refit", "ensemble"])
def test_changed_faces_are_refused_although_the_flow_is_the_same(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str], bundle: str
) -> None:
    change("registry", bundle=bundle)
    change("faces", regions="facs-8")
    assert run("faces") == 0
    change("faces", regions="mission")
    shutil.rmtree("results/tiny/settings")  # only the digest in run.json shows the change
    assert run("register", "roi_cnn") == 2
    assert re.search(r"train/roi_cnn: faces .*dvc repro", capsys.readouterr().err)


def test_a_training_of_an_earlier_version_that_did_not_record_its_faces_is_accepted(place: Path, run: Run) -> None:
    path = Path("results/tiny/train/majority/run.json")
    content = read_json(path)
    del content["faces"]
    write_json(path, content)
    assert run("register", "majority") == 0


def test_a_tuned_subject_without_clips_is_refused(place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    change("tuned", roi_cnn={"study": "tiny-1", "subjects": ["demo/sub01", "demo/sub99"]})
    assert run("register", "roi_cnn") == 2
    assert re.search(r"tuned\.roi_cnn\.subjects: .* demo/sub99\. ", capsys.readouterr().err)


def test_the_former_keys_of_the_registry_are_refused_with_the_new_ones(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    change("registry", pack="refit", fewest_subjects=2)
    assert run("register", "roi_cnn") == 2
    error = capsys.readouterr().err
    assert re.search("registry.pack: .*bundle", error)
    assert re.search("registry.fewest_subjects: .*min_subjects", error)


@pytest.mark.parametrize(
    ("name", "words"), [("../x", "'../x' is not a model"), ("mlp", "models.mlp is missing. Add it")]
)
def test_a_model_that_params_yaml_lacks_has_its_own_remedy(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    assert run("register", name) == 2
    assert words in capsys.readouterr().err
