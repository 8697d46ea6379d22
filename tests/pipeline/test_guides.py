"""The Python snippets and the MLflow searches of the guides work. They run on the tiny demo in one process."""

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


def read_searches() -> list[str]:
    """Return the searches of the guide to MLflow: which model, which setting, which subject."""
    section = (ROOT / "docs/guides/mlflow.md").read_text()
    return re.findall(r"^\| Which .*?\? \| `(.*?)` \|", section, re.MULTILINE)


def read_snippets() -> list[str]:
    """Return the snippets of the guide to Python."""
    section = (ROOT / "docs/guides/python.md").read_text()
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def example_project(
    computed: Path, trained: tuple[Path, NDArray[np.float64]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Return a computed project with a stored fold and the clip that the guide names."""
    (tmp_path / "params.yaml").symlink_to(computed / "params.yaml")
    (tmp_path / "results" / "demo").mkdir(parents=True)
    (tmp_path / "results" / "tiny").symlink_to(computed / "results" / "tiny")
    (tmp_path / "results" / "demo" / "train").symlink_to(trained[0].parents[2])
    clip = read_clips(computed / "results" / "tiny" / "clips.csv")[0]
    (tmp_path / CLIP).mkdir(parents=True)
    for old, new in zip(clip.numbers, NUMBERS, strict=False):
        shutil.copy(computed / "data" / clip.frame(old), tmp_path / CLIP / f"reg_img{new}.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("example_project")
def test_the_snippets_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for snippet in read_snippets():
        exec(compile(snippet.replace("processes=2", "processes=1"), "python.md", "exec"), names)
    output = capsys.readouterr().out
    assert re.match(r"UF1 0\.\d{3}, 95 % interval 0\.\d{3}–[01]\.\d{3}\n\(1, 5, 2, 224, 224\) ", output)
    assert ", ".join(MODELS) + "\n" in output
    assert re.search(r"\{'happiness': 0\.\d+, 'disgust': .*\}\n$", output)


def test_the_guide_has_snippets() -> None:
    assert len(read_snippets()) == 4


def set_epochs(epochs: int) -> None:
    params = Path("params.yaml")
    params.write_text(re.sub(r"epochs: \d+", f"epochs: {epochs}", params.read_text()))


def test_the_searches_find_the_best_model_the_effect_of_a_setting_and_the_failing_subjects(
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
    project = open_project()
    uf1, failing = {}, set()
    for model, epochs in (("majority", 3), ("roi_cnn", 3), ("roi_cnn", 5)):
        set_epochs(epochs)
        train.run_train(project, model, processes=1)
        folder = out / "train" / model
        uf1[model, epochs] = read_json(folder / "evaluation.json")["overall"]["uf1"]
        accuracies = {row["subject"]: float(row["accuracy"]) for row in read_csv(folder / f"loso_{model}_results.csv")}
        failing |= {(model, epochs, subject) for subject, accuracy in accuracies.items() if accuracy < 0.5}

    client = connect(tmp_path)
    experiment = client.get_experiment_by_name("tiny · casme2-4")
    assert experiment is not None
    which_model, which_setting, which_subject = (
        [run.data for run in client.search_runs([experiment.experiment_id], search)] for search in read_searches()
    )
    assert sorted(run.metrics["uf1"] for run in which_model) == pytest.approx(sorted(uf1.values()))
    by_epochs = {int(run.params["epochs"]): run.metrics["uf1"] for run in which_setting}
    assert by_epochs == pytest.approx({epochs: score for (model, epochs), score in uf1.items() if model == "roi_cnn"})
    subjects = {(run.params["model"], int(run.params.get("epochs", 3)), run.params["subject"]) for run in which_subject}
    assert subjects == failing
    assert failing
