import shutil
from functools import partial
from pathlib import Path

import pytest

from command_line import run
from microfacial.datasets.synthetic import write
from microfacial.datasets.synthetic.people import DemoPlan


def test_ui_prints_the_address_of_a_remote_server_and_starts_no_other(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://user:secret@mlflow.example.org/lab")
    assert run(monkeypatch, "ui") == 0
    assert capsys.readouterr().out == "MLflow's page is at https://mlflow.example.org/lab\n"


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
