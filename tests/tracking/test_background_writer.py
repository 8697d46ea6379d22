from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from microfacial.records import History
from microfacial.tracking.background_writer import BackgroundWriter
from microfacial.tracking.fold_records import TrainedFold
from microfacial.tracking.run_records import FlowDigest, RunIdentity, RunMetadata
from microfacial.tracking.store import connect

IDENTITY = RunIdentity(
    dataset="d",
    scheme="s",
    model="m",
    key="k1",
    corpora=("a",),
    clips="cd" * 16,
    flow=FlowDigest(digest="ab" * 16, shape=(4, 5, 2, 8, 8), unit="px"),
    settings={
        "train": {"protocol": "loso", "seed": 0, "repeats": 1},
        "faces": {},
        "flow": {"method": "dis"},
        "model": {},
    },
)
METADATA = RunMetadata(tags={})


def make_fold(name: str) -> TrainedFold:
    return TrainedFold(name=name, repeat=0, seed=1, chosen="", counts={"held_out_clips": 4}, history=History())


def model_runs(root: Path) -> list[Run]:
    client = connect(root)
    experiment = client.get_experiment_by_name("d · s")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], "tags.`microfacial.role` = 'model'"))


@pytest.mark.parametrize(("error", "status"), [(RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_training_that_fails_closes_its_run(root: Path, error: type[BaseException], status: str) -> None:
    def train_and_fail() -> None:
        with BackgroundWriter(IDENTITY, METADATA, root) as writer:
            writer.log_fold(make_fold("a/1"), 1.0)
            raise error

    with pytest.raises(error):
        train_and_fail()
    assert [run.info.status for run in model_runs(root)] == [status]


@pytest.mark.parametrize("logs", [True, False])
def test_the_load_of_the_machine_is_logged_if_the_settings_ask_for_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], logs: bool
) -> None:
    measured = Event()
    publish: Any = SystemMetricsMonitor.publish_metrics

    def note(monitor: SystemMetricsMonitor, metrics: dict[str, float]) -> None:
        publish(monitor, metrics)
        measured.set()

    monkeypatch.setattr(SystemMetricsMonitor, "publish_metrics", note)
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    (root / "params.yaml").write_text(f"tracking: {{system_metrics: {str(logs).lower()}}}")
    with suppress(InterruptedError), BackgroundWriter(IDENTITY, METADATA, root) as writer:
        writer.log_fold(make_fold("a/1"), 1.0)
        assert measured.wait(60 if logs else 0) == logs
        raise InterruptedError
    (run,) = model_runs(root)
    assert ("system/cpu_utilization_percentage" in run.data.metrics) == logs
    assert run.info.status == "FAILED"
    assert capsys.readouterr().err == ""


def test_a_failure_of_mlflow_prints_one_line_and_stops_writing(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    attempts = []

    def fail(*_: object, **__: object) -> None:
        attempts.append(1)
        raise MlflowException("gone")

    with BackgroundWriter(IDENTITY, METADATA, root) as writer:
        writer.log_fold(make_fold("a/1"), 1.0)
        monkeypatch.setattr(MlflowClient, "set_terminated", fail)
        for number in range(2, 5):
            writer.log_fold(make_fold(f"a/{number}"), 1.0)
        writer.finish(root / "nowhere", METADATA)
    message = capsys.readouterr().err
    assert len(attempts) == 1
    assert message.count("\n") == 1
    assert message.startswith("microfacial: MLflow failed: ")
    assert "(gone)" in message
    assert "`microfacial sync`" in message


def test_a_server_that_cannot_be_reached_does_not_stop_a_training(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the discard port, on which no server listens
    with BackgroundWriter(IDENTITY, METADATA, root) as writer:
        writer.log_fold(make_fold("a/1"), 1.0)
    assert capsys.readouterr().err.count("microfacial: MLflow failed") == 1


def test_a_database_that_cannot_be_opened_does_not_stop_a_training(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "mlruns" / "mlflow.db").write_bytes(b"no database" * 500)
    with BackgroundWriter(IDENTITY, METADATA, root) as writer:
        writer.log_fold(make_fold("a/1"), 1.0)
    assert capsys.readouterr().err.count("microfacial: MLflow failed") == 1


def test_the_message_contains_no_password_of_a_server(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:se@cret@127.0.0.1:9")
    with BackgroundWriter(IDENTITY, METADATA, root):
        pass
    message = capsys.readouterr().err
    assert "127.0.0.1:9" in message
    assert "cret" not in message


def test_an_error_that_is_no_failure_of_mlflow_is_raised(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    def train() -> None:
        with BackgroundWriter(IDENTITY, METADATA, root) as writer:
            writer.log_fold(make_fold("a/1"), 1.0)

    monkeypatch.setattr(MlflowClient, "log_inputs", fail)
    with pytest.raises(ZeroDivisionError):
        train()
