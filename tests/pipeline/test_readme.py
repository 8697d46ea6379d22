"""What README.md says from Python, and to MLflow, runs as it stands there, on the tiny demo and in one process."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fakes import ROOT, TINY_PARAMS
from microfacial import MODELS
from microfacial.datasets.clip_table import read_clips
from microfacial.files import read_csv, read_json
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages import train
from microfacial.tracking.store import connect

CLIP = Path("data/demo/Cropped/sub01/EP03_05f")
NUMBERS = (89, 95, 101, 106, 112)  # onset, rise, apex, fall, offset of that clip in the full demo


def searches() -> list[str]:
    """What the README types into MLflow's search box: which model, which setting, which subject."""
    section = (ROOT / "README.md").read_text().partition("\n## Every fold in MLflow\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| Which .*?\? \| `(.*?)` \|", section, re.MULTILINE)


def snippets() -> list[str]:
    section = (ROOT / "README.md").read_text().partition("\n## From Python\n")[2].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def place(
    computed: Path, trained: tuple[Path, NDArray[np.float64]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A computed project with a clip of the name and the numbers that the README uses, and with a kept fold."""
    (tmp_path / "params.yaml").symlink_to(computed / "params.yaml")
    (tmp_path / "results" / "demo").mkdir(parents=True)
    (tmp_path / "results" / "tiny").symlink_to(computed / "results" / "tiny")
    (tmp_path / "results" / "demo" / "train").symlink_to(trained[0].parents[2])
    some = read_clips(computed / "results" / "tiny" / "clips.csv")[0]
    (tmp_path / CLIP).mkdir(parents=True)
    for old, new in zip(some.numbers, NUMBERS, strict=False):
        shutil.copy(computed / "data" / some.frame(old), tmp_path / CLIP / f"reg_img{new}.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("place")
def test_the_snippets_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for snippet in snippets():
        exec(compile(snippet.replace("processes=2", "processes=1"), "README.md", "exec"), names)
    said = capsys.readouterr().out
    assert re.match(r"UF1 0\.\d{3}, 95 % interval 0\.\d{3}–[01]\.\d{3}\n\(1, 5, 2, 224, 224\) ", said)
    assert ", ".join(MODELS) + "\n" in said
    assert re.search(r"\{'happiness': 0\.\d+, 'disgust': .*\}\n$", said)


def test_the_section_has_snippets() -> None:
    assert len(snippets()) == 4


def set_epochs(epochs: int) -> None:
    params = Path("params.yaml")
    params.write_text(re.sub(r"epochs: \d+", f"epochs: {epochs}", params.read_text()))


def test_the_searches_tell_which_model_which_setting_and_which_subject(
    computed: Path, tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("dvc.yaml", "src"):
        Path(name).symlink_to(computed / name)
    out = Path("results/tiny")
    out.mkdir(parents=True)
    for name in ("clips.csv", "faces", "flow"):
        (out / name).symlink_to(computed / "results" / "tiny" / name)
    Path("mlruns").mkdir()
    shutil.copy(empty_store, "mlruns")
    Path("params.yaml").write_text(TINY_PARAMS)
    project, uf1, failing = open_project(), {}, set()
    for model, epochs in (("majority", 3), ("roi_cnn", 3), ("roi_cnn", 5)):
        set_epochs(epochs)
        train.run_train(project, model, processes=1)
        folder = out / "train" / model
        uf1[model, epochs] = read_json(folder / "evaluation.json")["overall"]["uf1"]
        right = {row["subject"]: float(row["accuracy"]) for row in read_csv(folder / f"loso_{model}_results.csv")}
        failing |= {(model, epochs, subject) for subject, share in right.items() if share < 0.5}

    client = connect(tmp_path)
    experiment = client.get_experiment_by_name("tiny · casme2-4")
    assert experiment is not None
    which_model, which_setting, which_subject = (
        [run.data for run in client.search_runs([experiment.experiment_id], search)] for search in searches()
    )
    assert sorted(run.metrics["uf1"] for run in which_model) == pytest.approx(sorted(uf1.values()))
    found = {int(run.params["epochs"]): run.metrics["uf1"] for run in which_setting}
    assert found == pytest.approx({epochs: score for (model, epochs), score in uf1.items() if model == "roi_cnn"})
    told = {(run.params["model"], int(run.params.get("epochs", 3)), run.params["subject"]) for run in which_subject}
    assert told == failing
    assert failing
