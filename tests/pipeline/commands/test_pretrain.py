from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from command_line import run
from fakes import TINY_PARAMS
from microfacial.models.prior import MotionPrior
from microfacial.tracking.experiments import find_experiment
from microfacial.tracking.run_records import PRETRAININGS
from microfacial.tracking.store import connect
from microfacial.training import prior_files


@pytest.fixture(autouse=True)
def few_test_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Score the prior on few drawn clips, because drawing takes time."""
    monkeypatch.setattr(prior_files, "_TEST_CLIPS", 512)


def test_pretrain_needs_no_project_and_writes_weights_and_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "pretrain", "--steps", "1", "--output", "mine.safetensors") == 0
    sha256 = capsys.readouterr().out.split()[-1]
    assert MotionPrior.read(Path("mine.safetensors"), sha256).units
    assert "| steps | 1 |" in Path("mine.md").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"mine.safetensors", "mine.md"}


def test_pretrain_in_a_project_writes_a_run_with_the_digest_of_the_weights(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "pretrain", "--steps", "1", "--output", "mine.safetensors") == 0
    sha256 = capsys.readouterr().out.split()[-1]
    client = connect(project)
    experiment = find_experiment(client, PRETRAININGS)
    assert experiment is not None
    (written,) = client.search_runs([experiment.experiment_id])
    assert written.data.tags["microfacial.motion_prior"] == sha256
    assert len(client.get_metric_history(written.info.run_id, "loss")) == 1


def test_weights_are_written_although_mlflow_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(TINY_PARAMS)
    Path("mlruns").touch()  # a file where the store needs a folder
    assert run(monkeypatch, "pretrain", "--steps", "1", "--output", "mine.safetensors") == 0
    printed = capsys.readouterr()
    assert "MLflow failed" in printed.err
    assert MotionPrior.read(Path("mine.safetensors"), printed.out.split()[-1]).units


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.md", b"# My project\n"),
        ("mine.md", b"# Model card: hybrid\n"),
        ("mine.md", b"\xff\xfe"),
        ("mine.md", b""),
        ("mine.safetensors", save({"a": np.zeros(3, np.float32)})),
        ("mine.safetensors", b"not weights"),
        ("mine.safetensors", b""),
    ],
)
def test_a_file_of_another_kind_is_not_replaced(
    name: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("microfacial.pipeline.commands.pretrain.pretrain", None)  # a refusal comes before the training
    Path(name).write_bytes(content)
    assert run(monkeypatch, "pretrain", "--steps", "1", "--output", "mine.safetensors") == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"microfacial: {name} ")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert Path(name).read_bytes() == content


def test_a_folder_in_the_place_of_a_file_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.md").mkdir()
    assert run(monkeypatch, "pretrain", "--steps", "1", "--output", "mine.safetensors") == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("microfacial: mine.md ")


def test_an_earlier_prior_and_its_card_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in ("0", "1"):
        assert run(monkeypatch, "pretrain", "--steps", "1", "--seed", seed, "--output", "mine.safetensors") == 0
    assert "| seed | 1 |" in Path("mine.md").read_text()


@pytest.mark.parametrize(
    ("options", "value"), [(("--device", "abacus"), "abacus"), (("--output", "prior.pt"), "prior.pt")]
)
def test_wrong_options_end_in_one_line(
    options: tuple[str, ...],
    value: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "pretrain", "--steps", "1", *options) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("microfacial: ")
    assert value in error
    assert not list(tmp_path.iterdir())
