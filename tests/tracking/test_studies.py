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
    findings=(StudyScore(part="all", subjects=2, clips=4, uf1=(0.6, 0.5), uar=(0.6, 0.6), difference=DIFFERENCE),),
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


def runs(client: MlflowClient, role: str) -> list[Run]:
    experiment = client.get_experiment_by_name("demo · casme2-4 · studies")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], f"tags.`microfacial.role` = '{role}'")
    return sorted(found, key=lambda run: str(run.info.run_name))


def test_trials_are_children_of_the_studys_run_with_settings_fold_scores_state_and_seconds(
    client: MlflowClient,
) -> None:
    tracked = open_run(client)
    tracked.log_trial(make_trial(0))
    tracked.log_trial(make_trial(1, "pruned"))
    (study,) = runs(client, "study")
    done, stopped = runs(client, "trial")
    for child in (done, stopped):
        assert child.data.tags["mlflow.parentRunId"] == study.info.run_id
        assert child.data.params == {"model": "mlp", "dropout": "0.5"}
        scores = client.get_metric_history(child.info.run_id, "fold_score")
        assert [(point.step, point.value) for point in scores] == [(0, 0.4), (2, 0.6)]
        assert child.data.metrics["seconds"] == 2
    assert done.data.metrics["inner_uf1"] == 0.5
    assert (stopped.data.metrics["pruned_at"], stopped.data.tags["microfacial.state"]) == (2, "pruned")
    assert "inner_uf1" not in stopped.data.metrics


def test_several_workers_write_one_study_and_each_trial_once(client: MlflowClient) -> None:
    first, second = open_run(client), open_run(client)
    for tracked in (first, second):
        for number in range(3):
            tracked.log_trial(make_trial(number))
    assert len(runs(client, "study")) == 1
    assert [run.info.run_name for run in runs(client, "trial")] == ["trial 0", "trial 1", "trial 2"]


def test_the_end_writes_what_dead_workers_did_not_and_what_the_study_came_to(client: MlflowClient) -> None:
    tracked = open_run(client)
    (study,) = runs(client, "study")
    tags = {"mlflow.parentRunId": study.info.run_id, "microfacial.role": "trial", "microfacial.trial": "trial 0"}
    client.create_run(study.info.experiment_id, tags=tags, run_name="trial 0")  # cut short by a kill
    trials = [make_trial(0), make_trial(1, "died"), make_trial(2, "failed", reason="diverged", retry_of=1)]
    tracked.finish(trials, CONCLUSION, ["in words"], {"history.png": Figure()})
    found = runs(client, "trial")
    assert [(run.info.run_name, run.info.status) for run in found] == [
        ("trial 0", "FINISHED"),
        ("trial 1", "FAILED"),
        ("trial 2", "FAILED"),
    ]
    assert found[2].data.tags["mlflow.note.content"] == "diverged"
    assert found[2].data.tags["microfacial.retry_of"] == "1"
    (study,) = runs(client, "study")
    assert study.info.status == "FINISHED"
    assert study.data.tags["microfacial.best"] == "1"
    assert study.data.metrics["all/uf1_difference"] == 0.1
    assert [file.path for file in client.list_artifacts(study.info.run_id)] == ["history.png"]


def test_a_store_that_fails_is_said_to_be_and_ends_nothing(
    client: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    tracked = open_run(client)
    client.delete_experiment(client.get_experiment_by_name(IDENTITY.experiment).experiment_id)  # type: ignore[union-attr]
    with tolerate_mlflow_errors():
        tracked.log_trial(make_trial(0))
    assert "MLflow failed (" in capsys.readouterr().err
