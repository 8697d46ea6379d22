"""The content of a registered version, and its origin."""

import csv
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import grimp
import pytest
from safetensors.numpy import load_file

from fake_versions import NAME, Run, change, clips_of, folder_of, open_registry
from microfacial.datasets.clip_table import digest_data
from microfacial.errors import StorageError
from microfacial.evaluation.result_files import read_predictions
from microfacial.files import digest, read_json, write_json
from microfacial.inference.bundle import BUNDLE, CARD, EVIDENCE
from microfacial.inference.choose_model import open_bundle
from microfacial.inference.temperature import choose_temperature
from microfacial.source_code import OPENCV, find_installed
from microfacial.tracking.pyfunc import requirements
from microfacial.tracking.run_records import read_identity
from microfacial.tracking.store import connect


def test_a_version_has_bundle_evidence_card_and_code_and_no_pickle(roi_cnn_place: Path) -> None:
    folder = folder_of(roi_cnn_place)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"MLmodel", "serve.py", "requirements.txt", "model_card.md", "input_example.json"} <= files
    code = "code/microfacial"
    assert {f"{code}/inference/bundle.py", f"{code}/preprocessing/weights/mean_face.csv"} <= files
    assert not [name for name in files if re.search(r"\.(pkl|pickle|pt|pth|joblib|npy|npz)$", name)]
    assert not [name for name in files if (folder / name).read_bytes()[:1] == b"\x80"]  # first byte of a pickle
    assert load_file(folder / BUNDLE / "weights.safetensors")
    training = roi_cnn_place / "results/tiny/train/roi_cnn"
    for name in ("predictions.csv", "evaluation.json", "folds.csv", "settings.json"):
        assert (folder / EVIDENCE / name).read_bytes() == (training / name).read_bytes()
    facts = json.loads((folder / EVIDENCE / "evidence.json").read_text())
    assert "the registered model was trained on all subjects" in facts["note"]
    assert facts["data"] == digest_data(clips_of(roi_cnn_place))


def test_a_version_has_the_temperature_of_the_held_out_predictions(roi_cnn_place: Path) -> None:
    expected = choose_temperature(read_predictions(roi_cnn_place / "results/tiny/train/roi_cnn"))
    bundle = folder_of(roi_cnn_place) / BUNDLE
    temperature = json.loads((bundle / "bundle.json").read_text())["temperature"]
    assert temperature == expected
    assert open_bundle(folder_of(roi_cnn_place)).temperature == expected


def test_a_model_is_not_opened_with_evidence_that_was_edited_or_belongs_to_another(roi_cnn_place: Path) -> None:
    evidence = folder_of(roi_cnn_place) / EVIDENCE
    scores, facts = read_json(evidence / "evaluation.json"), read_json(evidence / "evidence.json")
    changed: list[tuple[dict[str, Any], str]] = [
        ({"ece": 0.0}, "digest of evaluation.json"),
        ({"model": "linear_svm"}, "linear_svm"),
        ({"classes": [*scores["classes"][1:], "x"]}, "repression, x"),
    ]
    for changes, named in changed:
        write_json(evidence / "evaluation.json", {**scores, **changes})
        if "ece" not in changes:  # another training, with its own digests
            names = {name: digest([evidence / name]) for name in facts["files"]}
            write_json(evidence / "evidence.json", {**facts, "files": names})
        with pytest.raises(StorageError, match=rf"{named}.*delete {evidence}"):
            open_bundle(folder_of(roi_cnn_place))


def test_a_version_stores_its_settings_and_its_origin(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    change("tuned", roi_cnn={"study": "tiny-1", "trial": 4, "subjects": ["demo/sub01"]})
    assert run("register", "roi_cnn") == 0
    version = open_registry(place).find("challenger")
    assert version is not None
    assert (version.model, version.protocol, version.tuned_on) == ("roi_cnn", "loso", ("demo/sub01",))
    assert version.settings["epochs"] == 3
    assert version.origin["study"] == "tiny-1"
    assert version.origin["bundle"] == "refit"
    training_run = connect(place).get_run(version.run_id)
    assert training_run.data.tags["microfacial.model"] == "roi_cnn"
    description = connect(place).get_model_version(NAME, "1").description
    assert description == (folder_of(place) / CARD).read_text()
    assert "study `tiny-1` chose the settings on 1 subjects: demo/sub01" in description
    capsys.readouterr()
    assert run("lineage") == 0
    output = capsys.readouterr().out
    assert "version 1  roi_cnn, refit, loso  ← challenger\n" in output
    assert "  study    tiny-1, trial 4, tuned on 1 subjects\n" in output
    assert f"  data     {version.origin['data']} (data.dvc unversioned), flow {version.origin['flow']}\n" in output
    assert f"  run      {version.run_id}\n" in output
    assert run("lineage", "--json") == 0
    fields = json.loads(capsys.readouterr().out)
    assert fields["name"] == NAME
    (stored,) = fields["versions"]
    assert (stored["version"], stored["model"], stored["aliases"]) == (1, "roi_cnn", ["challenger"])
    assert stored["origin"] == dict(version.origin)
    assert fields["decisions"] == []


def test_a_version_links_to_the_run_of_its_training_and_not_to_another_one_with_the_same_score(
    place: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    client, key = connect(place), read_identity(Path("results/tiny/train/roi_cnn")).key
    experiment = client.get_experiment_by_name("tiny · casme2-4")
    assert experiment is not None
    named = "tags.`microfacial.role` = 'model' and tags.`microfacial.model` = 'roi_cnn'"
    (trained,) = client.search_runs([experiment.experiment_id], named)
    tags = {**trained.data.tags, "microfacial.key": "0" * len(key)}
    other = client.create_run(experiment.experiment_id, tags=tags)
    client.log_metric(other.info.run_id, "uf1", trained.data.metrics["uf1"])
    client.set_terminated(other.info.run_id)
    assert run("register", "roi_cnn") == 0
    assert open_registry(place).get(1).run_id == trained.info.run_id
    client.set_tag(trained.info.run_id, "microfacial.key", "1" * len(key))
    assert run("register", "roi_cnn") == 0
    assert open_registry(place).get(2).run_id == ""
    assert "MLflow has no run of this training" in caplog.text


def test_an_ensemble_has_the_models_of_all_folds(place: Path, run: Run) -> None:
    change("registry", bundle="ensemble")
    assert run("register", "roi_cnn") == 0
    arrays = load_file(folder_of(place) / BUNDLE / "weights.safetensors")
    assert {name.partition("/")[0] for name in arrays} == {"0", "1", "2", "3"}
    assert "the models of all folds" in (folder_of(place) / CARD).read_text()


def test_an_ensemble_without_checkpoints_is_refused(place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree("results/tiny/train/roi_cnn/checkpoints")
    change("registry", bundle="ensemble")
    assert run("register", "roi_cnn") == 2
    assert "train.checkpoints: true" in capsys.readouterr().err


def test_an_ensemble_of_the_models_of_other_folds_is_refused(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *others = sorted(Path("results/tiny/train/roi_cnn/checkpoints").iterdir())
    shutil.copy(first, others[-1])
    change("registry", bundle="ensemble")
    assert run("register", "roi_cnn") == 2
    assert re.search(rf"{re.escape(str(others[-1]))} is damaged.*dvc repro", capsys.readouterr().err)
    assert open_registry(place).find("challenger") is None


def test_an_ensemble_with_a_checkpoint_of_another_model_is_refused(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    train = Path("results/tiny/train")
    first = sorted((train / "roi_cnn/checkpoints").iterdir())[0]
    shutil.copy(train / "linear_svm/checkpoints" / first.name, first)
    change("registry", bundle="ensemble")
    assert run("register", "roi_cnn") == 2
    assert str(first) in capsys.readouterr().err


@pytest.mark.parametrize("model", ["linear_svm", "majority"])
def test_the_folds_of_every_kind_of_model_are_accepted_as_an_ensemble(place: Path, run: Run, model: str) -> None:
    change("registry", bundle="ensemble")
    assert run("register", model) == 0


def test_registering_the_same_training_twice_gives_equal_bytes(roi_cnn_place: Path, run: Run) -> None:
    assert run("register", "roi_cnn") == 0
    first, second = (folder_of(roi_cnn_place, version) / BUNDLE for version in (1, 2))
    for name in ("weights.safetensors", "bundle.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_the_requirements_of_a_version_are_the_packages_that_its_code_imports() -> None:
    graph = grimp.build_graph("microfacial", include_external_packages=True, cache_dir=None)
    reached: set[str] = set()
    waiting = {"microfacial.inference.serve"}
    while waiting:
        module = waiting.pop()
        reached.add(module)
        parents = {module.rpartition(".")[0]} - {""}
        lazy = module == "microfacial"  # names modules without importing them
        imported = set() if lazy else graph.find_modules_directly_imported_by(module)
        waiting |= (imported | parents) - reached
    external = {name for name in reached if not name.startswith("microfacial")} - sys.stdlib_module_names
    distributions = {
        "PIL": "pillow",
        "cv2": OPENCV,
        "sklearn": "scikit-learn",
        "ruamel": "ruamel-yaml",
        "pydantic_core": "pydantic",
    }
    installed = find_installed(OPENCV)
    assert installed is not None
    required = {
        OPENCV if name == installed[0] else name for name in (line.partition("==")[0] for line in requirements())
    }
    assert {distributions.get(name, name) for name in external} == required
    assert all(re.fullmatch(r"[\w-]+==\d[\w.]*", line) for line in requirements())


def test_every_number_in_the_card_is_a_measured_one(roi_cnn_place: Path) -> None:
    card = (folder_of(roi_cnn_place) / CARD).read_text()
    content = json.loads(Path("results/tiny/train/roi_cnn/evaluation.json").read_text())
    scores = card.partition("## Scores")[2].partition("## Tuning")[0]
    numbers = re.findall(r"[-+]?\d+\.\d+", scores)
    overall, intervals = content["overall"], [*content["uf1_interval"], *content["uar_interval"]]
    measured = [overall["uf1"], overall["uar"], overall["accuracy"], *intervals, content["ece"]]
    for corpus in content["corpora"].values():
        measured += [corpus["uf1"], corpus["uar"], corpus["accuracy"]]
    baseline = json.loads(Path("results/tiny/train/linear_svm/evaluation.json").read_text())["overall"]["uf1"]
    difference = re.search(r"Against linear_svm.*: UF1 ([-+]\d\.\d+) \(95 % ([-+]\d\.\d+) to ([-+]\d\.\d+)\)", scores)
    assert difference is not None
    assert float(difference[1]) == pytest.approx(overall["uf1"] - baseline, abs=6e-4)
    assert {number for number in numbers if number not in difference.groups()} == {f"{value:.3f}" for value in measured}
    assert f"| {overall['clips']} | {overall['subjects']} |" in scores
    with Path("results/tiny/clips.csv").open() as stream:
        labels = [row["label"] for row in csv.DictReader(stream)]
    counts = " | ".join(str(labels.count(label)) for label in content["classes"])
    assert f"| demo | 4 | {counts} |" in card


def test_a_card_without_a_comparable_baseline_is_still_written(
    place: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path("results/tiny/train/linear_svm/predictions.csv")
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    assert run("register", "roi_cnn") == 0
    assert "Against" not in (folder_of(place) / CARD).read_text()
    assert "linear_svm" in caplog.text


def test_a_card_has_no_comparison_with_a_baseline_on_other_flow(
    place: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path("results/tiny/train/linear_svm/run.json")
    content = read_json(path)
    write_json(path, {**content, "flow": {**content["flow"], "digest": "0" * 32}})
    assert run("register", "roi_cnn") == 0
    assert "Against" not in (folder_of(place) / CARD).read_text()
    assert "trained on different flow" in caplog.text


def test_no_message_advises_to_register_models_of_units(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    change("clips", scheme="units")
    change("train", task="units", checkpoints=False)
    for command in (("lineage",), ("promote",), ("rollback",)):
        assert run(*command) == 2
        message = capsys.readouterr().err
        assert "tiny.units" in message
        assert "cannot be registered" in message
        assert "microfacial register" not in message
