from pathlib import Path

import pytest
from mlflow import MlflowClient

from microfacial.source_code import PACKAGE, package_digest
from microfacial.tracking.experiments import find_experiment
from microfacial.tracking.pretraining_runs import log_pretraining
from microfacial.tracking.run_records import PRETRAININGS
from microfacial.tracking.store import connect
from microfacial.training.pretraining import Pretraining
from microfacial.training.prior_files import DrawnScores, TrainedPrior


@pytest.fixture
def client(root: Path) -> MlflowClient:
    return connect(root)


def make_training(folder: Path) -> TrainedPrior:
    trained = TrainedPrior(
        path=folder / "mine.safetensors",
        sha256="ab" * 32,
        plan=Pretraining(steps=3, seed=7),
        device="cpu",
        losses=(3.0, 2.0, 1.5),
        scores=DrawnScores(accuracy=0.5, unit_auc={1: 0.75, 12: 0.875}),
    )
    trained.path.write_bytes(b"weights")
    trained.card.write_text("card")
    return trained


def test_a_run_has_settings_curve_scores_lineage_and_files(client: MlflowClient, root: Path) -> None:
    run_id = log_pretraining(client, make_training(root), {"microfacial.git_commit": "c0ffee"}, 1000, root)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.start_time == 1000
    assert run.data.params | {"steps": "3", "seed": "7", "device": "cpu", "hidden": "256"} == run.data.params
    curve = [(point.step, point.value) for point in client.get_metric_history(run_id, "loss")]
    assert curve == [(1, 3.0), (2, 2.0), (3, 1.5)]
    assert (run.data.metrics["drawn_accuracy"], run.data.metrics["drawn_auc_au12"]) == (0.5, 0.875)
    tags = run.data.tags
    assert (tags["microfacial.motion_prior"], tags["microfacial.git_commit"]) == ("ab" * 32, "c0ffee")
    assert tags["microfacial.drawing"] == package_digest(PACKAGE / "datasets" / "drawn_motion")
    assert run.inputs is not None
    assert [item.dataset.digest for item in run.inputs.dataset_inputs] == [tags["microfacial.drawing"]]
    assert {item.path for item in client.list_artifacts(run_id)} == {"mine.safetensors", "mine.md"}


def test_pretrainings_have_an_experiment_of_their_own_without_views_of_models(client: MlflowClient, root: Path) -> None:
    log_pretraining(client, make_training(root), {}, 1000, root)
    experiment = find_experiment(client, PRETRAININGS)
    assert experiment is not None
    assert "drawn motion" in experiment.tags["mlflow.note.content"]
    assert not [tag for tag in experiment.tags if "sharedViewState" in tag]
