from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Run

from microfacial.records import Comparison
from microfacial.tracking.store import connect
from microfacial.tracking.studies import StudyIdentity, StudyRun, tolerate_mlflow_errors
from microfacial.tuning.trials import Conclusion, State, StudyScore, Trial

IDENTITY = StudyIdentity(
    name="demo-mlp-0",
    dataset="demo",
    scheme="casme2-4",
    model="mlp",
    tags={"microfacial.git_commit": "c"},
    digests={"data": "d.dir"},
)
DIFFERENCE = Comparison(
    model="trial 1",
    baseline="trial 0",
    uf1_difference=0.1,
    uf1_interval=(-0.1, 0.3),
    uar_difference=0.0,
    uar_interval=(0.0, 0.0),
    only_model=1,
    only_baseline=0,
    mcnemar_p=1.0,
    subjects=2,
)
CONCLUSION = Conclusion(
    best=(1,),
    findings=(
        StudyScore(part="never seen", subjects=2, clips=4, uf1=(0.6, 0.5), uar=(0.6, 0.6), difference=DIFFERENCE),
    ),
)


def make_trial(number: int, state: State = "complete", **changes: Any) -> Trial:
    facts: dict[str, Any] = {
        "model": "mlp",
        "settings": {"dropout": 0.5},
        "params": {},
        "scores": {0: 0.4, 2: 0.6},
        "value": 0.5 if state == "complete" else None,
        "seconds": 2.0,
    }
    return Trial(number=number, state=state, **{**facts, **changes})


@pytest.fixture
def client(project: Path) -> MlflowClient:
    return connect(project)


def open_run(client: MlflowClient) -> StudyRun:
    return StudyRun(client, IDENTITY, {"trials": 4}, Path())


def read_runs(client: MlflowClient, role: str) -> list[Run]:
    experiment = client.get_experiment_by_name("demo · casme2-4 · studies")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], f"tags.`microfacial.role` = '{role}'")
    return sorted(runs, key=lambda run: str(run.info.run_name))


def test_trials_are_nested_runs_of_the_study_with_settings_fold_scores_state_and_seconds(
    client: MlflowClient,
) -> None:
    study_run = open_run(client)
    study_run.log_trial(make_trial(0))
    study_run.log_trial(make_trial(1, "pruned"))
    (study,) = read_runs(client, "study")
    complete, pruned = read_runs(client, "trial")
    for child in (complete, pruned):
        assert child.data.tags["mlflow.parentRunId"] == study.info.run_id
        assert child.data.params == {"model": "mlp", "dropout": "0.5"}
        scores = client.get_metric_history(child.info.run_id, "fold_score")
        assert [(point.step, point.value) for point in scores] == [(0, 0.4), (2, 0.6)]
        assert child.data.metrics["seconds"] == 2
    assert complete.data.metrics["inner_uf1"] == 0.5
    assert (pruned.data.metrics["pruned_at"], pruned.data.tags["microfacial.state"]) == (2, "pruned")
    assert "inner_uf1" not in pruned.data.metrics


def test_several_workers_write_one_run_per_study_and_per_trial(client: MlflowClient) -> None:
    first, second = open_run(client), open_run(client)
    for study_run in (first, second):
        for number in range(3):
            study_run.log_trial(make_trial(number))
    assert len(read_runs(client, "study")) == 1
    assert [run.info.run_name for run in read_runs(client, "trial")] == ["trial 0", "trial 1", "trial 2"]


def test_finishing_a_study_writes_missing_trials_the_conclusion_and_figures(client: MlflowClient) -> None:
    study_run = open_run(client)
    (study,) = read_runs(client, "study")
    tags = {"mlflow.parentRunId": study.info.run_id, "microfacial.role": "trial", "microfacial.trial": "trial 0"}
    client.create_run(study.info.experiment_id, tags=tags, run_name="trial 0")  # left by a killed process
    trials = [make_trial(0), make_trial(1, "died"), make_trial(2, "failed", reason="diverged", retry_of=1)]
    study_run.finish(trials, CONCLUSION, ["in words"], {"history.png": Figure()})
    trial_runs = read_runs(client, "trial")
    assert [(run.info.run_name, run.info.status) for run in trial_runs] == [
        ("trial 0", "FINISHED"),
        ("trial 1", "FAILED"),
        ("trial 2", "FAILED"),
    ]
    assert trial_runs[2].data.tags["mlflow.note.content"] == "diverged"
    assert trial_runs[2].data.tags["microfacial.retry_of"] == "1"
    (study,) = read_runs(client, "study")
    assert study.info.status == "FINISHED"
    assert study.data.tags["microfacial.best"] == "1"
    assert study.data.metrics["never seen/uf1_difference"] == study.data.metrics["uf1_difference"] == 0.1
    assert [file.path for file in client.list_artifacts(study.info.run_id)] == ["history.png"]


def test_a_failure_of_mlflow_is_printed_and_not_raised(
    client: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    study_run = open_run(client)
    client.delete_experiment(client.get_experiment_by_name(IDENTITY.experiment).experiment_id)  # type: ignore[union-attr]
    with tolerate_mlflow_errors(Path()):
        study_run.log_trial(make_trial(0))
    assert "mlflow experiments restore" in capsys.readouterr().err
