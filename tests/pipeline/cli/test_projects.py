import shutil
from functools import partial
from pathlib import Path

import pytest

from command_line import run
from microfacial.datasets.synthetic import write
from microfacial.datasets.synthetic.people import DemoPlan
from microfacial.tracking import store


def test_ui_prints_the_addresses_of_tables_on_a_server_and_starts_no_other(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    local = store.connect(project)
    monkeypatch.setattr(store, "connect", lambda _, **__: local)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://user:secret@mlflow.example.org/lab")
    assert run(monkeypatch, "ui") == 0
    tables = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert list(tables) == ["models", "folds"]
    experiment = local.get_experiment_by_name("tiny · casme2-4")
    assert experiment is not None
    assert tables["models"] == (
        f"https://mlflow.example.org/lab/#/experiments/{experiment.experiment_id}/runs"
        "?workflowType=machine_learning&viewStateShareKey=microfacial-models"
    )


def test_ui_names_a_server_that_does_not_answer(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    assert run(monkeypatch, "ui") == 2
    error = capsys.readouterr().err
    assert "http://127.0.0.1:9 does not answer" in error
    assert "secret" not in error


def test_writing_the_demo_does_not_delete_the_fold_cache_of_a_data_set_named_demo(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached_fold = project / ".microfacial" / "demo" / "folds" / "fold.npz"
    cached_fold.parent.mkdir(parents=True)
    cached_fold.touch()
    shutil.rmtree(project / "data")
    plan = DemoPlan(identities=1, clips_per_identity=1, others=0, frames=(4, 4), width_px=70)
    monkeypatch.setattr(write, "write_demo", partial(write.write_demo, plan=plan))
    assert run(monkeypatch, "demo", "--processes", "1") == 0
    assert (project / "data" / "demo" / "Cropped").is_dir()
    assert cached_fold.exists()
