"""The real commands on a tiny set, without DVC around them."""

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from rich.console import Console

from fakes import ROOT, TINY_PARAMS, Row, WriteCasme2, WriteMaps, texture
from microfacial.datasets.frames import read_image
from microfacial.datasets.synthetic import write
from microfacial.datasets.synthetic.people import DemoPlan
from microfacial.evaluation import fold_cache
from microfacial.evaluation.result_files import read_evaluation
from microfacial.pipeline import cli as commands
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages.report import read_leaderboard
from microfacial.records import ORACLE, SYNTHETIC, Evaluation
from microfacial.tracking.store import connect


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Exit code of a command."""
    monkeypatch.setattr("sys.argv", ["microfacial", *arguments])
    with pytest.raises(SystemExit) as stopped:
        commands.run_command_line()
    return int(stopped.value.code or 0)


def change(section: str, **values: object) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params[section] = {**params[section], **values}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def spoil_frames() -> None:
    for frame in Path("data/demo").rglob("reg_img*"):
        frame.write_bytes(b"no image")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


def test_from_frames_to_report(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ("majority", "linear_svm", "roi_cnn")
    for stage in (["clips"], ["faces"], ["flow", "--processes", "1"]):
        assert run(monkeypatch, *stage) == 0
    for model in models:
        assert run(monkeypatch, "train", model, "--processes", "1") == 0
    assert run(monkeypatch, "report") == 0

    results = project / "results" / "tiny"
    content = json.loads((results / "reports" / "metrics.json").read_text())
    assert content["note"] == SYNTHETIC
    metrics = content["models"]
    assert set(metrics) == set(models)
    assert all(scores["clips"] == 12 and scores["subjects"] == 4 for scores in metrics.values())
    for model in models:
        out = results / "train" / model
        assert len(rows(out / "predictions.csv")) == 12
        assert [row["subject"] for row in rows(out / f"loso_{model}_results.csv")] == [
            f"demo/sub0{n}" for n in (1, 2, 3, 4)
        ]
        assert float(rows(out / f"loso_{model}_summary.csv")[0]["uf1"]) == pytest.approx(
            metrics[model]["uf1"], abs=1e-4
        )
        assert rows(out / f"loso_{model}_summary.csv")[0]["note"] == SYNTHETIC
        audit = rows(out / "folds.csv")[0]
        assert audit["held_out"] not in audit["validation_folds"].split()
    assert {*metrics["roi_cnn"]["against_linear_svm"]} == {"uf1_difference", "interval", "p"}
    assert "against_linear_svm" not in metrics["linear_svm"]
    printed = capsys.readouterr().out
    assert "clips: 12 clips (demo 12) of 4 subjects" in printed
    assert "train roi_cnn: 4 folds on 1 process" in printed
    assert "fold 4/4 demo/sub04#0" in printed
    experiments = [e.name for e in connect(project).search_experiments() if e.name != "Default"]
    assert experiments == ["tiny · casme2-4"]
    tracked = {entry.name for entry in (project / "mlruns").iterdir()}
    assert tracked == {"mlflow.db", "artifacts", ".lock"}


@pytest.fixture(scope="module")
def flow_of_tiny(tiny_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What clips, faces and flow make of the tiny demo, computed once."""
    root = tmp_path_factory.mktemp("flow")
    (root / "params.yaml").write_text(TINY_PARAMS)
    for name, target in (("dvc.yaml", ROOT / "dvc.yaml"), ("src", ROOT / "src")):
        (root / name).symlink_to(target)
    (root / "data").mkdir()
    (root / "data" / "demo").symlink_to(tiny_demo)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for stage in (["clips"], ["faces"], ["flow", "--processes", "1"]):
            assert run(patch, *stage) == 0
    return root / "results"


@pytest.fixture
def ready(project: Path, flow_of_tiny: Path) -> Path:
    """A project whose faces and flow are there, to train in."""
    shutil.copytree(flow_of_tiny, project / "results")
    return project


def train(monkeypatch: pytest.MonkeyPatch, *models: str) -> None:
    for model in models:
        assert run(monkeypatch, "train", model, "--processes", "1") == 0


def test_two_trained_models_are_compared_in_words(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    change("train", repeats=2)
    train(monkeypatch, "majority", "linear_svm")
    capsys.readouterr()
    assert run(monkeypatch, "compare", "majority", "linear_svm") == 0
    model, baseline, difference, test, verdict, note = capsys.readouterr().out.splitlines()
    scores = [float(line.split()[2]) for line in (model, baseline, difference)]
    assert scores[0] - scores[1] == pytest.approx(scores[2], abs=0.0011)
    assert "on predictions averaged over 2 repetitions" in test
    assert "told from zero" in verdict
    assert note == SYNTHETIC

    assert run(monkeypatch, "compare", "majority", "roi_cnn") == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("microfacial: roi_cnn is not trained on tiny. ")
    assert complaint.count("\n") == 1

    change("train", protocol="holdout", holdout=["demo/sub01", "demo/sub02"])
    train(monkeypatch, "majority")
    assert run(monkeypatch, "compare", "majority", "linear_svm") == 2
    assert "not evaluated with the same protocol" in capsys.readouterr().err


def test_a_repetition_that_is_added_leaves_finished_folds_as_they_are(
    ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(monkeypatch, "majority")
    journal = ready / ".microfacial" / "tiny" / "folds" / "majority"
    first = {path: path.stat().st_mtime_ns for path in journal.rglob("*.npz")}
    change("train", repeats=2, bootstrap_draws=200)
    train(monkeypatch, "majority")
    assert len(list(journal.rglob("*.npz"))) == 8
    assert {path: path.stat().st_mtime_ns for path in first} == first
    predicted = rows(ready / "results/tiny/train/majority/predictions.csv")
    assert [row["repeat"] for row in predicted] == ["0"] * 12 + ["1"] * 12


def test_folds_of_another_torch_or_precision_are_not_taken_for_these(
    ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for facts in ({"torch": "1"}, {"torch": "2"}, {"torch": "2", "precision": "bfloat16"}, {"torch": "2"}):
        monkeypatch.setattr(fold_cache, "arithmetic", lambda _, facts=facts: facts)
        train(monkeypatch, "majority")
    assert len(list((ready / ".microfacial" / "tiny" / "folds" / "majority").iterdir())) == 3


def test_checkpoints_and_the_oracle_stand_apart_from_results(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = ready / "results/tiny/train/roi_cnn"
    train(monkeypatch, "roi_cnn")
    honest = {path.name: path.read_bytes() for path in out.iterdir() if path.name != "run.json"}  # names the settings
    change("train", oracle=True, checkpoints=True)
    train(monkeypatch, "majority", "linear_svm", "roi_cnn")
    extra = {path.name for path in out.iterdir()} - honest.keys() - {"run.json"}
    assert extra == {"oracle.json", "checkpoints"}
    assert {name: (out / name).read_bytes() for name in honest} == honest
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == [
        f"demo-sub0{n}#0.npz" for n in (1, 2, 3, 4)
    ]
    claimed = json.loads((out / "oracle.json").read_text())
    assert claimed["note"] == ORACLE
    assert not (ready / "results/tiny/train/majority/oracle.json").exists()
    assert run(monkeypatch, "report") == 0
    page = (ready / "results/tiny/reports/index.html").read_text()
    assert page.count(ORACLE) == 1
    assert f"UF1 {claimed['oracle_uf1']:.3f}" in page
    assert "oracle" not in (ready / "results/tiny/reports/metrics.json").read_text()


def test_wrong_use_of_a_protocol_is_one_line(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for settings, message in (
        ({"protocol": "leave-one-dataset-out"}, "at least 2 corpora, but there is only demo"),
        ({"protocol": "holdout"}, "train.holdout is empty"),
        ({"protocol": "holdout", "holdout": ["demo/sub99"]}, "no clip belongs to demo/sub99"),
    ):
        change("train", **settings)
        capsys.readouterr()
        assert run(monkeypatch, "train", "majority", "--processes", "1") == 2
        assert message in capsys.readouterr().err


def test_the_leaderboard_fits_80_columns_whatever_it_shows(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change("train", repeats=2)
    train(monkeypatch, "majority", "linear_svm")
    params = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump({**params, "models": {"majority": {}, "linear_svm": {}}}))
    named = {"majority": "logistic_regression"}

    def rename(folder: Path) -> Evaluation:
        found = read_evaluation(folder)
        return replace(found, model=named.get(found.model, found.model))

    monkeypatch.setattr("microfacial.evaluation.result_files.read_evaluation", rename)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(read_leaderboard(open_project()))
    printed = console.export_text()
    assert "logistic_regression" in printed
    assert "…" not in printed
    assert "±: standard deviation over 2 repetitions" in printed
    assert re.search(r"[+-]0\.\d{3}[* ]", printed)


def test_a_missing_apex_is_spotted_where_that_is_asked_for(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "clips") == 0
    (before,) = [row for row in rows(project / "results/tiny/clips.csv") if row["apex_source"] != "annotated"]
    change("clips", missing_apex="spotted")
    assert run(monkeypatch, "clips") == 0
    (after,) = [row for row in rows(project / "results/tiny/clips.csv") if row["apex_source"] != "annotated"]
    assert (before["name"], before["apex_source"]) == (after["name"], "midpoint")
    assert after["apex_source"] == "spotted"
    assert int(after["onset"]) < int(after["apex"]) <= int(after["offset"])
    assert f"spotted {after['apex']} in its place" in capsys.readouterr().out


def test_where_no_apex_can_be_spotted_the_midpoint_stays_and_says_so(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change("clips", apex="spotted")
    monkeypatch.setattr("microfacial.preprocessing.alignment.find_landmarks", lambda _: None)
    assert run(monkeypatch, "clips") == 0
    found = rows(project / "results/tiny/clips.csv")
    assert {row["apex_source"] for row in found} == {"midpoint"}
    assert all("no apex could be spotted in its place" in row["notes"] for row in found)


def test_finished_folds_are_not_trained_again_but_changed_settings_are(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    change("models", roi_cnn={"input_px": 16, "widths": [8, 8, 8, 8], "encoder": "conv", "epochs": 3})  # a fold a chunk
    train(monkeypatch, "roi_cnn")
    journal = sorted((ready / ".microfacial" / "tiny" / "folds" / "roi_cnn").rglob("*.npz"))
    first = [path.stat().st_mtime_ns for path in journal]
    predictions = (ready / "results/tiny/train/roi_cnn/predictions.csv").read_bytes()

    journal[0].unlink()
    train(monkeypatch, "roi_cnn")
    assert [path.stat().st_mtime_ns for path in journal[1:]] == first[1:]
    assert (ready / "results/tiny/train/roi_cnn/predictions.csv").read_bytes() == predictions

    change("train", validation_folds=2)
    train(monkeypatch, "roi_cnn")
    keys = list((ready / ".microfacial" / "tiny" / "folds" / "roi_cnn").iterdir())
    assert sorted(len(list(key.iterdir())) for key in keys) == [4, 4]
    assert [path.stat().st_mtime_ns for path in journal[1:]] == first[1:]


def tracked_runs(project: Path) -> dict[tuple[str, str], tuple[dict[str, float], dict[str, str]]]:
    """Metrics without seconds and parameters of all runs, by model and fold; every run must be finished."""
    client = connect(project)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, "tags.`microfacial.model` != ''")
    assert {run.info.status for run in found} == {"FINISHED"}
    told = {
        (run.data.tags["microfacial.model"], run.data.tags.get("microfacial.fold", "")): (
            {name: round(value, 6) for name, value in run.data.metrics.items() if name != "seconds"},
            dict(run.data.params),
        )
        for run in found
    }
    assert len(told) == len(found)  # no run twice
    return told


def test_what_mlflow_lacks_is_written_from_build_once(
    ready: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    change("train", repeats=2)
    train(monkeypatch, "majority", "roi_cnn")
    before = tracked_runs(ready)
    assert len(before) == 2 * (1 + 2 * 4)
    assert run(monkeypatch, "sync") == 0
    assert "sync: nothing to write: 2 models" in capsys.readouterr().out

    for lost in ("mlruns/artifacts", ".microfacial"):  # a fresh clone whose results come from DVC's cache has neither
        shutil.rmtree(ready / lost)
        empty = shutil.copy(empty_store, ready / f"without {lost.replace('/', ' ')}.db")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{empty}")
        assert run(monkeypatch, "sync") == 0
        said = capsys.readouterr().out
        assert "sync: tiny/roi_cnn: scores and 8 folds written" in said
        assert "sync: 2 of 2 models in results/ written" in said
        assert tracked_runs(ready) == before
        assert run(monkeypatch, "sync") == 0
        assert "sync: nothing to write: 2 models" in capsys.readouterr().out
        assert tracked_runs(ready) == before


def test_a_run_that_an_outage_cut_off_is_completed_not_doubled(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(monkeypatch, "majority")
    before = tracked_runs(ready)
    client = connect(ready)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (model,) = client.search_runs(experiments, "tags.`microfacial.role` = 'model'")
    for lost in client.search_runs(experiments, "tags.`microfacial.role` = 'fold'")[:2]:
        client.delete_run(lost.info.run_id)
    client.update_run(model.info.run_id, status="RUNNING")
    assert run(monkeypatch, "sync") == 0
    assert "sync: tiny/majority: scores and 2 folds written" in capsys.readouterr().out
    assert tracked_runs(ready) == before


def test_training_goes_on_without_mlflow_and_says_what_to_do(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as away:
        away.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the discard port: nobody listens
        train(away, "majority")
        assert capsys.readouterr().err.count("run `microfacial sync` when MLflow is back") == 1
        assert run(away, "sync") == 2
        assert "microfacial: MLflow's server http://127.0.0.1:9 does not answer" in capsys.readouterr().err
    assert len(rows(ready / "results/tiny/train/majority/predictions.csv")) == 12
    assert run(monkeypatch, "sync") == 0
    assert len(tracked_runs(ready)) == 1 + 4


def test_the_page_of_a_server_elsewhere_is_named_and_no_other_is_started(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://user:secret@mlflow.example.org/lab")
    assert run(monkeypatch, "ui") == 0
    assert capsys.readouterr().out == "MLflow's page is at https://mlflow.example.org/lab\n"


def test_flow_maps_run_the_same_stages(project: Path, write_maps: WriteMaps, monkeypatch: pytest.MonkeyPatch) -> None:
    write_maps({"sub01": 4, "sub02": 4, "sub03": 4, "s01": 4, "s02": 4, "s03": 4})
    change("clips", name="maps", root=".", corpora=["flow_maps"], scheme="megc2019-3")
    change("faces", method="whole", regions="grid-28", size_px=28)
    change("flow", method="published")
    for stage in ("clips", "faces", "flow"):
        assert run(monkeypatch, stage) == 0
    for model in ("majority", "linear_svm", "roi_cnn"):
        assert run(monkeypatch, "train", model, "--processes", "1") == 0
    assert run(monkeypatch, "report") == 0
    corpora = json.loads(Path("results/maps/reports/metrics.json").read_text())["models"]["roi_cnn"]["corpora"]
    assert {name: scores["clips"] for name, scores in corpora.items()} == {"casme2": 12, "smic": 12}


def test_contact_sheets_show_what_was_built(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for stage in (["clips"], ["faces"], ["flow", "--processes", "1"]):
        run(monkeypatch, *stage)
    pages = project / "contact-sheets" / "tiny"
    pages.mkdir(parents=True)
    for name in ("flow-9.png", "flow-mine.png"):  # of an earlier run with more clips, and what is not ours
        (pages / name).touch()
    assert run(monkeypatch, "flow", "--contact-sheet") == 0
    assert "flow: 12 clips on 2 pages in contact-sheets/tiny" in capsys.readouterr().out
    assert sorted(page.name for page in pages.iterdir()) == ["flow-1.png", "flow-2.png", "flow-mine.png"]

    one = rows(project / "results/tiny/clips.csv")[0]
    clip = f"{one['corpus']}/{one['subject']}/{one['name']}"
    assert run(monkeypatch, "flow", "--contact-sheet", "out", "--clip", clip) == 0
    assert read_image(project / "out" / "flow-selected-1.png").shape[0] < read_image(pages / "flow-1.png").shape[0]
    assert run(monkeypatch, "flow", "--contact-sheet", "--clip", "demo/sub01/none") == 2
    assert "'demo/sub01/none'" in capsys.readouterr().err
    assert run(monkeypatch, "flow", "--clip", clip) == 2


def test_contact_sheets_of_people_are_not_written_where_git_keeps_them(
    project: Path, write_maps: WriteMaps, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_maps({"sub01": 2})
    change("clips", name="maps", root=".", corpora=["flow_maps"], scheme="megc2019-3")
    change("faces", method="whole", regions="grid-28", size_px=28)
    change("flow", method="published")
    for stage in ("clips", "faces", "flow"):
        assert run(monkeypatch, stage) == 0
    subprocess.run(["git", "init", "--quiet"], check=True)
    shutil.copy(ROOT / ".gitignore", project)
    assert run(monkeypatch, "flow", "--contact-sheet", "docs") == 2
    assert "microfacial: docs: " in capsys.readouterr().err
    assert not (project / "docs").exists()
    assert run(monkeypatch, "flow", "--contact-sheet") == 0
    assert (project / "contact-sheets" / "maps" / "flow-1.png").exists()


@pytest.mark.parametrize(
    ("break_it", "stage", "message"),
    [
        (lambda: None, ["flow", "--contact-sheet"], "index.json is missing. Run `dvc repro`"),
        (lambda: change("faces", sizepx=3), ["faces"], "params.yaml: faces.sizepx: no such key"),
        (lambda: Path("params.yaml").unlink(), ["clips"], "project's root"),
        (lambda: change("clips", root="data/nowhere"), ["clips"], "no CASME2-coding-*.xlsx in data/nowhere"),
        (lambda: None, ["train", "resnet"], "models has no 'resnet'"),
        (lambda: None, ["flow"], "faces.json is missing. Run `dvc repro`"),
        (lambda: spoil_frames(), ["faces"], "cannot be read as an image"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    break_it: Callable[[], None],
    stage: list[str],
    message: str,
) -> None:
    run(monkeypatch, "clips")
    break_it()
    capsys.readouterr()
    assert run(monkeypatch, *stage) == 2
    complaint = capsys.readouterr().err.strip().splitlines()[-1]
    assert complaint.startswith("microfacial: ")
    assert message in complaint


def test_help_lists_a_command_per_stage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--help") == 0
    listed = capsys.readouterr().out
    assert all(
        f"  {name} " in listed
        for name in (
            "clips",
            "faces",
            "flow",
            "train",
            "report",
            "compare",
            "ablate",
            "sync",
            "demo",
            "doctor",
            "spot",
            "ui",
        )
    )


def write_raw_clip(folder: Path, name: str) -> None:
    """A video of 30 frames in which a patch moves by 3 px and back around frame 15, and its frames in a folder."""
    folder.mkdir()
    skin, (y, x) = texture(112, 112), np.mgrid[:112, :112].astype(np.float32)
    bump = np.exp(-((x - 35) ** 2 + (y - 80) ** 2) / 200)
    video = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*"MJPG"), 50.0, (112, 112))
    for number in range(1, 31):
        down = 3 * max(0, 1 - abs(number - 15) / 5) * bump
        frame = cv2.remap(skin, x, (y + down).astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        video.write(frame)
        cv2.imwrite(str(folder / f"img{number}.png"), frame)
    video.release()


def test_a_movement_is_spotted_in_a_video_and_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_raw_clip(tmp_path / "frames", "raw.avi")
    line = re.compile(r"spot: onset (\d+)(?: \((.*) s\))?, apex (\d+)(?: \((.*) s\))?, offset (\d+)(?: \((.*) s\))?\n")
    for arguments, timed, complaint in (
        (["raw.avi"], True, ""),
        (["frames", "--fps", "50"], True, ""),
        (["frames"], False, "200 frames per second are assumed; set it by --fps"),
    ):
        assert run(monkeypatch, "spot", *arguments) == 0
        printed = capsys.readouterr()
        found = line.match(printed.out)
        assert found is not None
        onset, apex, offset = (int(found[place]) for place in (1, 3, 5))
        assert abs(apex - 15) <= 1
        assert 8 <= onset < apex < offset <= 22
        assert (found[4] == f"{(apex - 1) / 50:.3f}") is timed
        assert complaint in printed.err


@pytest.mark.parametrize("path", ["nowhere", "empty", "a.avi"])
def test_nothing_to_spot_in_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("a.avi").touch()
    assert run(monkeypatch, "spot", path) == 2
    complaint = capfd.readouterr().err
    assert complaint.startswith("microfacial: ")
    assert path in complaint
    assert complaint.count("\n") == 1


def test_processes_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    for stage in ("clips", "faces"):
        run(monkeypatch, stage)
    for processes, code in (("0", 2), ("1", 0)):
        monkeypatch.setenv("MICROFACIAL_PROCESSES", processes)
        assert run(monkeypatch, "flow") == code


def test_writing_the_demo_leaves_the_journals_of_a_data_set_named_demo(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = project / ".microfacial" / "demo" / "folds" / "kept.npz"
    kept.parent.mkdir(parents=True)
    kept.touch()
    shutil.rmtree(project / "data")
    small = DemoPlan(identities=1, clips_per_identity=1, others=0, frames=(4, 4), width_px=70)
    monkeypatch.setattr(write, "write_demo", partial(write.write_demo, plan=small))
    assert run(monkeypatch, "demo", "--processes", "1") == 0
    assert (project / "data" / "demo" / "Cropped").is_dir()
    assert kept.exists()


def test_a_folder_that_cannot_be_written_is_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "results").touch()
    assert run(monkeypatch, "clips") == 2
    assert "microfacial: Not a directory: results" in capsys.readouterr().err


def test_doctor_walks_a_release_and_names_what_is_missing(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "doctor", "data") == 0
    assert "ok   casme2-4: 12 clips of 4 subjects: " in capsys.readouterr().out
    next(Path("data/demo").rglob("reg_img*")).parent.rename(project / "moved")
    assert run(monkeypatch, "doctor", "data/demo") == 2
    printed = capsys.readouterr().out
    assert printed.startswith("missing     demo/sub0")
    assert "FAIL casme2 in data/demo: 13 rows, 12 give a clip, " in printed
    assert "disk: " in printed


def test_doctor_finds_no_release_where_there_is_none(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "doctor", "mlruns") == 2
    assert "microfacial: mlruns: no release of casme2, " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (
            [("01", "a", 1, 3, 5, 12, "happiness")] * 2,
            "refused     casme2/sub01/a (CASME2-coding-20190701.xlsx, row 3)",
        ),
        ([("01", "a", 1, 3, 5, 12, "joy")], "refused     casme2/sub01/a (CASME2-coding-20190701.xlsx, row 2)"),
    ],
)
def test_doctor_fails_where_the_pipeline_would_stop(
    write_casme2: WriteCasme2,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rows: list[Row],
    complaint: str,
) -> None:
    root = write_casme2(rows)
    assert run(monkeypatch, "doctor", str(root.parent)) == 2
    printed = capsys.readouterr().out
    assert complaint in printed
    assert "FAIL casme2 in " in printed


def test_doctor_names_disk_once_and_a_folder_that_holds_no_release(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree("data/demo", "data/casme2")
    assert run(monkeypatch, "doctor", "data") == 0
    assert capsys.readouterr().out.count(" disk: ") == 1
    next(Path("data/casme2").glob("*.xlsx")).unlink()
    assert run(monkeypatch, "doctor", "data") == 2
    assert "FAIL casme2 in data/casme2: CASME II: no CASME2-coding-*.xlsx in data/casme2" in capsys.readouterr().out


def test_doctor_walks_on_where_a_frame_may_not_be_read(
    write_casme2: WriteCasme2, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness"), ("01", "b", 1, 3, 5, 12, "happiness")])
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.parent.name == "a":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert run(monkeypatch, "doctor", str(root)) == 2
    printed = capsys.readouterr().out
    assert "reg_img1.jpg cannot be read: Permission denied" in printed
    assert "2 rows, 1 give a clip" in printed
