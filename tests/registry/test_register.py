"""From what the pipeline trained to a champion that predicts, by the commands, on the tiny demo."""

import csv
import json
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import grimp
import numpy as np
import pytest
import yaml
from mlflow.exceptions import MlflowException
from safetensors.numpy import load_file

from microfacial.datasets.clip_table import read_clips
from microfacial.datasets.frames import read_image
from microfacial.evaluation import result_files as outcomes
from microfacial.inference.bundle import CARD, EVIDENCE, PACK
from microfacial.models.presets import resolve
from microfacial.pipeline import cli as commands
from microfacial.pipeline.commands.register import digest_data
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages import train
from microfacial.records import SYNTHETIC, Clip, Evaluation
from microfacial.registry import model_card
from microfacial.registry.refit import fixed_epochs
from microfacial.tracking.model_versions import Registry
from microfacial.tracking.pyfunc import requirements
from microfacial.tracking.store import connect

NAME = "tiny.casme2-4"
Run = Callable[..., int]


@pytest.fixture(scope="module")
def computed_models(computed: Path, tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """The tiny demo with an SVM and a ROI CNN trained, whose folds are kept. Copy it, do not write into it."""
    root = tmp_path_factory.mktemp("trained") / "project"
    shutil.copytree(computed, root, symlinks=True)
    (root / "mlruns").mkdir()
    shutil.copy(empty_store, root / "mlruns")
    params = (root / "params.yaml").read_text().replace("protocol: loso", "protocol: loso, checkpoints: true")
    (root / "params.yaml").write_text(params + "registry: {fewest_subjects: 2}\n")
    with chdir(root), pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for model in ("linear_svm", "roi_cnn", "majority"):
            train.run_train(open_project(), model, processes=1)
    return root


@pytest.fixture
def place(computed_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = Path(shutil.copytree(computed_models, tmp_path / "project", symlinks=True))
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Exit code of a command."""

    def call(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["microfacial", *arguments])
        with pytest.raises(SystemExit) as stopped:
            commands.run_command_line()
        return int(stopped.value.code or 0)

    return call


def change(section: str, **values: Any) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params[section] = {**params.get(section, {}), **values}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def folder_of(root: Path, version: int = 1) -> Path:
    return Registry(connect(root), NAME).fetch(version, root / "cache")


def clips_of(root: Path) -> tuple[Clip, ...]:
    return read_clips(root / "results/tiny/clips.csv")


# --- what a version holds ---------------------------------------------------------------------------------------------


def test_a_version_holds_pack_evidence_and_card_and_nothing_that_could_run_but_code(place: Path, run: Run) -> None:
    assert run("register", "roi_cnn") == 0
    folder = folder_of(place)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"MLmodel", "packaged.py", "requirements.txt", "model_card.md", "input_example.json"} <= files
    assert {"code/microfacial/packs.py", "code/microfacial/weights/mean_face.csv"} <= files
    assert not [name for name in files if re.search(r"\.(pkl|pickle|pt|pth|joblib|npy|npz)$", name)]
    assert not [name for name in files if (folder / name).read_bytes()[:1] == b"\x80"]  # how a pickle begins
    assert load_file(folder / PACK / "weights.safetensors")
    trained = place / "results/tiny/train/roi_cnn"
    for name in ("predictions.csv", "evaluation.json", "folds.csv", "settings.json"):
        assert (folder / EVIDENCE / name).read_bytes() == (trained / name).read_bytes()
    facts = json.loads((folder / EVIDENCE / "evidence.json").read_text())
    assert facts["note"] == "of the procedure under its protocol, not of the packed model, which has seen every subject"
    assert facts["data"] == digest_data(clips_of(place))


def test_a_version_says_what_it_is_and_where_it_comes_from(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    change("tuned", roi_cnn={"study": "tiny-1", "trial": 4, "subjects": ["demo/sub01"]})
    assert run("register", "roi_cnn") == 0
    found = Registry(connect(place), NAME).find("challenger")
    assert found is not None
    assert (found.model, found.protocol, found.tuned_on) == ("roi_cnn", "loso", ("demo/sub01",))
    assert found.settings["epochs"] == 3
    assert found.origin["study"] == "tiny-1"
    run_of_training = connect(place).get_run(found.run_id)
    assert run_of_training.data.tags["microfacial.model"] == "roi_cnn"
    description = connect(place).get_model_version(NAME, "1").description
    assert description == (folder_of(place) / CARD).read_text()
    assert "study `tiny-1` chose the settings on 1 subjects: demo/sub01" in description
    assert run("lineage") == 0
    said = capsys.readouterr().out
    assert "  study    tiny-1, trial 4, tuned on 1 subjects\n" in said
    assert f"  data     {found.origin['data']} (data.dvc unversioned), flow {found.origin['flow']}\n" in said
    assert f"  run      {found.run_id}\n" in said


def test_the_folds_are_packed_where_that_is_asked_for(place: Path, run: Run) -> None:
    change("registry", pack="ensemble")
    assert run("register", "roi_cnn") == 0
    arrays = load_file(folder_of(place) / PACK / "weights.safetensors")
    assert {name.partition("/")[0] for name in arrays} == {"0", "1", "2", "3"}
    assert "the models of all folds" in (folder_of(place) / CARD).read_text()


def test_folds_that_were_not_kept_are_not_packed(place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree("results/tiny/train/roi_cnn/checkpoints")
    change("registry", pack="ensemble")
    assert run("register", "roi_cnn") == 2
    assert "has no checkpoints of its folds" in capsys.readouterr().err


def test_the_packages_that_a_pack_names_are_those_that_its_code_imports() -> None:
    graph = grimp.build_graph("microfacial", include_external_packages=True)
    found: set[str] = set()
    waiting = {"microfacial.inference.serve"}
    while waiting:
        module = waiting.pop()
        found.add(module)
        parents = {module.rpartition(".")[0]} - {""}
        lazily = module == "microfacial"  # names things without importing them
        imported = set() if lazily else graph.find_modules_directly_imported_by(module)
        waiting |= (imported | parents) - found
    external = {name for name in found if not name.startswith("microfacial")} - sys.stdlib_module_names
    names = {"cv2": "opencv-python", "sklearn": "scikit-learn", "yaml": "pyyaml", "pydantic_core": "pydantic"}
    named = {line.partition("==")[0] for line in requirements()}
    assert {names.get(name, name) for name in external} == named
    assert all(re.fullmatch(r"[\w-]+==\d[\w.]*", line) for line in requirements())


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "values", "what"),
    [
        ("models", {"roi_cnn": {"input_px": 16, "epochs": 9}}, r"models\.roi_cnn\.\w+ is .*, but .* was made with .*"),
        ("flow", {"blur_sigma_px": 2.0}, "flow.blur_sigma_px is 2.0, but .* was made with 0.8"),
        ("faces", {"regions": "facs-8"}, "faces.regions is 'facs-8', but .* was made with 'mission'"),
        ("train", {"seed": 1}, "train.seed is 1, but .* was made with 0"),
        ("train", {"repeats": 2}, "train.repeats is 2, but .* was made with 1"),
        ("train", {"protocol": "composite"}, "train.protocol is 'composite', but .* was made with 'loso'"),
        ("clips", {"scheme": "casme2-5"}, "clips.scheme is .* was made with"),
    ],
)
def test_a_training_by_other_settings_is_refused_with_the_key(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str], section: str, values: dict[str, Any], what: str
) -> None:
    change(section, **values)
    assert run("register", "roi_cnn") == 2
    assert re.search(f"params.yaml: {what}.* Run `dvc repro`", capsys.readouterr().err)


def test_a_model_that_is_not_there_or_not_trained_is_refused(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("register", "hybrid") == 2
    assert "models has no 'hybrid'; it has majority, linear_svm, roi_cnn" in capsys.readouterr().err
    change("models", rgb={})
    assert run("register", "rgb") == 2
    assert "rgb is not trained on tiny. Run `dvc repro`" in capsys.readouterr().err


def test_a_training_on_other_clips_is_refused(place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("results/tiny/train/roi_cnn/predictions.csv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n")
    assert run("register", "roi_cnn") == 2
    assert "is not of the clips in clips.csv" in capsys.readouterr().err


# --- the epoch of a refit ---------------------------------------------------------------------------------------------


def test_where_subjects_chose_the_epoch_a_refit_takes_the_median_of_the_folds() -> None:
    settings = resolve("roi_cnn", {"early_stopping": True, "epochs": 60}, "roi_cnn")
    settled = fixed_epochs(settings, ["epochs 3, 9", "epochs 5, 40", "epochs 7, 8"])
    assert settled == settings.model_copy(
        update={"early_stopping": False, "epochs": round(np.median([3, 9, 5, 40, 7, 8]))}
    )


def test_where_nobody_was_held_back_a_refit_takes_the_settings_as_they_are() -> None:
    for model in ("roi_cnn", "linear_svm"):
        section = resolve(model, {}, model)
        assert fixed_epochs(section, ["epoch 60"]) is section


def test_the_same_training_packs_to_the_same_bytes(place: Path, run: Run) -> None:
    for _ in range(2):
        assert run("register", "roi_cnn") == 0
    for name in ("weights.safetensors", "pack.json"):
        assert (folder_of(place, 1) / PACK / name).read_bytes() == (folder_of(place, 2) / PACK / name).read_bytes()


# --- from challenger to champion --------------------------------------------------------------------------------------


def test_register_promote_predict_and_back(place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("promote") == 2
    assert "tiny.casme2-4 has no challenger" in capsys.readouterr().err
    assert run("register", "majority") == 0
    assert run("promote") in (0, 1)  # whichever: the tiny SVM is no bar
    refused = "version 1 refused" in capsys.readouterr().out
    if refused:
        assert run("promote", "--force", "a start") == 0
    assert run("register", "linear_svm") == 0
    assert run("promote", "--dry-run") in (0, 1)
    said = capsys.readouterr().out
    assert "which changes nothing" in said
    assert re.search(r"UF1 0\.\d+ against 0\.\d+: [+-]0\.\d+, lower bound [+-]0\.\d+, on 12 clips of 4 subjects", said)
    assert re.search(r"\d+ ms a clip against \d+ ms, \d+ kB of weights against \d+ kB", said)
    assert run("promote", "--force", "to see it predict") == 0
    clip = clips_of(place)[0]
    frames = (Path("data") / clip.frames).parent
    moments = ["--onset", str(clip.onset), "--apex", str(clip.apex), "--offset", str(clip.offset)]
    capsys.readouterr()
    assert run("predict", str(frames), "--json", *moments) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["clip"] == str(frames)
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
    assert run("lineage") == 0
    said = capsys.readouterr().out
    assert "version 2  linear_svm, refit, loso  ← champion" in said
    assert re.search(r"2|3  .* version 2 promoted", said)
    assert run("rollback", "--reason", "enough") == 0
    assert "version 2 rolled back to version 1 (reason: enough)" in capsys.readouterr().out
    champion = Registry(connect(place), NAME).find("champion")
    assert champion is not None
    assert champion.version == 1


def test_predict_goes_on_after_a_clip_that_cannot_be_read(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("predict", "x") == 2
    assert "tiny.casme2-4 has no champion. `microfacial promote` makes one" in capsys.readouterr().err
    assert run("register", "linear_svm") == 0
    clip = clips_of(place)[0]
    frames = str((Path("data") / clip.frames).parent)
    moments = ["--onset", str(clip.onset), "--apex", str(clip.apex), "--offset", str(clip.offset)]
    capsys.readouterr()
    assert run("predict", "nothing", frames, "--alias", "challenger", *moments) == 2
    said = capsys.readouterr()
    assert said.err == (
        "microfacial: nothing is no folder of frames and no video (.avi, .gif, .m4v, .mov, .mp4). Correct the path\n"
    )
    assert re.search(rf"{re.escape(frames)}  \w+  \(happiness 0\.\d+", said.out)
    assert run("predict", frames, "--version", "7", *moments) == 2
    assert "has no version 7" in capsys.readouterr().err


def test_a_video_is_predicted_as_its_frames_are(place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("register", "linear_svm") == 0
    clip = clips_of(place)[0]
    pictures = [read_image(Path("data") / clip.frame(number)) for number in clip.numbers]
    height, width = pictures[0].shape[:2]
    video = cv2.VideoWriter("clip.avi", cv2.VideoWriter.fourcc(*"FFV1"), 200.0, (width, height))  # without loss
    for picture in pictures:
        video.write(picture)
    video.release()
    answers = []
    for path, first in ((str((Path("data") / clip.frames).parent), 0), ("clip.avi", clip.numbers[0] - 1)):
        moments = [str(number - first) for number in (clip.onset, clip.apex, clip.offset)]
        capsys.readouterr()
        options = [word for pair in zip(("--onset", "--apex", "--offset"), moments, strict=True) for word in pair]
        assert run("predict", path, "--alias", "challenger", "--json", *options) == 0
        answers.append(json.loads(capsys.readouterr().out)["probabilities"])
    assert answers[1] == pytest.approx(answers[0], abs=0.02)  # colour is kept at half the resolution


def test_predict_says_so_where_a_version_was_packed_with_other_code(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("register", "majority") == 0
    clip = clips_of(place)[0]
    asked = ["predict", str((Path("data") / clip.frames).parent), "--alias", "challenger"]
    asked += ["--onset", str(clip.onset), "--apex", str(clip.apex)]
    capsys.readouterr()
    assert run(*asked) == 0
    assert capsys.readouterr().err == ""
    with (folder_of(place) / "code" / "microfacial" / "flow.py").open("a") as code:
        code.write("\n")
    assert run(*asked) == 0
    assert "majority, version 1 was packed with other code" in capsys.readouterr().err


# --- the card ---------------------------------------------------------------------------------------------------------


def test_every_number_of_the_card_is_one_that_was_measured(place: Path, run: Run) -> None:
    assert run("register", "roi_cnn") == 0
    card = (folder_of(place) / CARD).read_text()
    content = json.loads(Path("results/tiny/train/roi_cnn/evaluation.json").read_text())
    scores = card.partition("## Scores")[2].partition("## Tuning")[0]
    found = re.findall(r"[-+]?\d+\.\d+", scores)
    overall, intervals = content["overall"], [*content["uf1_interval"], *content["uar_interval"]]
    measured = [overall["uf1"], overall["uar"], overall["accuracy"], *intervals, content["ece"]]
    for corpus in content["corpora"].values():
        measured += [corpus["uf1"], corpus["uar"], corpus["accuracy"]]
    baseline = json.loads(Path("results/tiny/train/linear_svm/evaluation.json").read_text())["overall"]["uf1"]
    difference = re.search(r"Against linear_svm.*: UF1 ([-+]\d\.\d+) \(95 % ([-+]\d\.\d+) to ([-+]\d\.\d+)\)", scores)
    assert difference is not None
    assert float(difference[1]) == pytest.approx(overall["uf1"] - baseline, abs=6e-4)
    assert {number for number in found if number not in difference.groups()} == {f"{value:.3f}" for value in measured}
    assert f"| {overall['clips']} | {overall['subjects']} |" in scores
    with Path("results/tiny/clips.csv").open() as stream:
        labels = [row["label"] for row in csv.DictReader(stream)]
    counts = " | ".join(str(labels.count(label)) for label in content["classes"])
    assert f"| demo | 4 | {counts} |" in card


def test_the_card_says_what_the_model_is_not_for(place: Path, run: Run) -> None:
    assert run("register", "linear_svm") == 0
    card = (folder_of(place) / CARD).read_text()
    assert SYNTHETIC in card
    assert "**no\nlie detector**" in card
    for word in ("hiring", "border", "court", "public-domain photograph", "commit", "has seen every subject"):
        assert word in card
    description = connect(place).get_model_version(NAME, "1").description
    assert description == card
    assert len(description) < 5000  # what every database takes


def test_settings_that_were_tuned_on_nobody_in_the_data_are_not_taken_for_untouched(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    change("tuned", roi_cnn={"study": "tiny-1", "subjects": ["demo/sub01", "demo/sub99"]})
    assert run("register", "roi_cnn") == 2
    assert "tuned.roi_cnn.subjects: no clip is of demo/sub99. Name them as clips.csv does" in capsys.readouterr().err


def test_the_card_tells_scores_on_tuned_subjects_apart(place: Path) -> None:
    evaluation = outcomes.read_evaluation(place / "results/tiny/train/roi_cnn")
    clips = [replace(clip, corpus="casme2") for clip in clips_of(place)]
    facts = model_card.CardFacts(
        model="roi_cnn",
        dataset="d",
        scheme="s",
        pack="refit",
        tuned_on=("casme2/sub01", "casme2/sub02"),
        study="first",
        untouched=model_card.Untouched(uf1=0.4321, subjects=2, clips=6),
        versions={"commit": "abc"},
    )
    card = model_card.write_card(facts, evaluation, clips, None)
    assert "On the 2 subjects that tuning never saw (6 clips), UF1 is 0.432." in card
    assert "neither frames nor what is derived from them may be passed on" in card.replace("\n", " ")
    without = model_card.write_card(replace(facts, untouched=None), evaluation, clips, None)
    assert "No subject of the evaluation is left that tuning did not see." in without


def test_the_card_of_repetitions_says_how_much_they_differ(place: Path) -> None:
    evaluation: Evaluation = replace(
        outcomes.read_evaluation(place / "results/tiny/train/roi_cnn"), repeats=3, uf1_sd=0.0123, uar_sd=0.0456
    )
    facts = model_card.CardFacts(
        model="m", dataset="d", scheme="s", pack="ensemble", tuned_on=(), study=None, untouched=None, versions={}
    )
    card = model_card.write_card(facts, evaluation, clips_of(place), None)
    assert "3 repetitions" in card
    assert "UF1 0.012, UAR 0.046" in card
    assert "Against" not in card


@pytest.mark.parametrize("what", ["clips.csv", "flow"])
def test_a_training_on_what_was_made_anew_since_is_refused(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    if what == "flow":
        path = Path("results/tiny/flow/flow.npy")
        np.save(path, np.load(path) * 2)
    else:
        rows = list(csv.reader(Path("results/tiny/clips.csv").read_text().splitlines()))
        apex = rows[0].index("apex")
        with Path("results/tiny/clips.csv").open("w", newline="") as stream:
            moved = [[*row[:apex], str(int(row[apex]) - 1), *row[apex + 1 :]] for row in rows[1:]]
            csv.writer(stream).writerows([rows[0], *moved])
    assert run("register", "roi_cnn") == 2
    assert f"was made with another {what} than there is now. Run `dvc repro`" in capsys.readouterr().err


def test_damaged_evidence_is_said_to_be(place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert [run("register", "linear_svm"), run("promote", "--bootstrap"), run("register", "roi_cnn")] == [0, 0, 0]
    (folder_of(place) / EVIDENCE / "evidence.json").write_text("{}")
    assert run("promote") == 2
    assert "is damaged" in capsys.readouterr().err


def test_where_mlflow_fails_midway_it_is_no_refusal(
    place: Path, run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MlflowException("the server is gone")

    assert run("register", "linear_svm") == 0
    monkeypatch.setattr(Registry, "point", fail)
    assert run("promote", "--bootstrap") == 2
    assert "MLflow failed (the server is gone)" in capsys.readouterr().err
