"""What the commands answer after a user deleted something in MLflow."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fake_versions import NAME, Run, clips_of, describe_moments, folder_of, frames_of, open_registry
from fakes import ROOT
from microfacial.tracking.location import database_path
from microfacial.tracking.run_records import experiment_name
from microfacial.tracking.store import connect

pytestmark = pytest.mark.slow

EXPERIMENT = experiment_name("tiny", "casme2-4")
Capture = pytest.CaptureFixture[str]


def predict(run: Run, place: Path, *options: str) -> int:
    clip = clips_of(place)[0]
    return run("predict", frames_of(clip), *describe_moments(clip), *options)


def model_run(place: Path, model: str) -> str:
    client = connect(place)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (run,) = client.search_runs(
        [experiment.experiment_id], f"tags.`microfacial.role` = 'model' and tags.`microfacial.model` = '{model}'"
    )
    return str(run.info.run_id)


def test_sync_restores_a_deleted_run_and_keeps_its_folds(place: Path, run: Run, capsys: Capture) -> None:
    client, number = connect(place), model_run(place, "majority")
    client.delete_run(number)
    assert run("sync") == 0
    assert model_run(place, "majority") == number
    assert client.get_run(number).info.status == "FINISHED"
    assert len(client.search_runs(["1"], f"tags.`mlflow.parentRunId` = '{number}'")) == 4


def test_sync_nests_the_folds_of_a_run_that_was_deleted_permanently(place: Path, run: Run, capsys: Capture) -> None:
    client, number = connect(place), model_run(place, "majority")
    client.delete_run(number)
    with closing(sqlite3.connect(database_path(place))) as connection, connection:
        for table in ("tags", "metrics", "latest_metrics", "params", "runs"):
            connection.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (number,))
    assert run("sync") == 0
    new = model_run(place, "majority")
    assert new != number
    folds = "tags.`microfacial.role` = 'fold' and tags.`microfacial.model` = 'majority'"
    assert {fold.data.tags["mlflow.parentRunId"] for fold in client.search_runs(["1"], folds)} == {new}
    assert len(client.search_runs(["1"], folds)) == 4


def test_a_deleted_experiment_has_one_answer_in_all_commands(place: Path, run: Run, capsys: Capture) -> None:
    client = connect(place)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    remedy = f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
    for command, code in ((("sync",), 2), (("register", "majority"), 2), (("train", "majority"), 0)):
        capsys.readouterr()
        assert run(*command) == code
        assert remedy in capsys.readouterr().err
    run("doctor")
    assert remedy in capsys.readouterr().out
    assert run("compare", "linear_svm", "majority") == 0
    client.restore_experiment(experiment.experiment_id)
    assert run("sync") == 0
    assert "nothing to write" in capsys.readouterr().out


def test_a_renamed_experiment_is_still_the_experiment_of_the_data_set(place: Path, run: Run, capsys: Capture) -> None:
    client, number = connect(place), model_run(place, "majority")
    experiment = client.get_run(number).info.experiment_id
    client.rename_experiment(experiment, "our best runs")
    assert run("sync") == 0
    assert "nothing to write" in capsys.readouterr().out
    assert run("register", "majority") == 0
    challenger = open_registry(place).find("challenger")
    assert challenger is not None
    assert challenger.run_id == number


def test_a_deleted_version_leaves_no_champion(place: Path, run: Run, capsys: Capture) -> None:
    assert [run("register", "majority"), run("promote", "--bootstrap"), run("register", "linear_svm")] == [0, 0, 0]
    assert run("promote", "--force", "better") == 0
    client = connect(place)
    client.delete_model_version(NAME, "1")
    capsys.readouterr()
    assert run("rollback") == 2
    assert "version 1, which linear_svm, version 2 replaced, was deleted" in capsys.readouterr().err
    client.delete_model_version(NAME, "2")
    for command in (("promote",), ("rollback",), ("lineage",)):
        assert run(*command) == 2
        assert f"{NAME} has no" in capsys.readouterr().err
    for delete in (lambda: None, lambda: client.delete_registered_model(NAME)):
        delete()
        assert predict(run, place) == 0
        assert re.search("microfacial register MODEL.*motion_prior predicts instead", capsys.readouterr().err)
    assert run("register", "majority") == 0


def test_an_alias_of_a_deleted_version_counts_as_no_alias(place: Path, run: Run, capsys: Capture) -> None:
    assert run("register", "majority") == 0
    with closing(sqlite3.connect(database_path(place))) as connection, connection:
        connection.execute(
            "INSERT INTO registered_model_aliases (alias, version, name, workspace) "
            "VALUES ('champion', 9, ?, 'default')",
            (NAME,),
        )
    assert open_registry(place).find("champion") is None
    assert predict(run, place) == 0
    assert re.search(f"{NAME} has no champion.*motion_prior predicts instead", capsys.readouterr().err)
    assert run("promote", "--bootstrap") == 0
    champion = open_registry(place).find("champion")
    assert champion is not None
    assert champion.version == 1


def test_missing_files_of_the_champion_have_one_answer_with_a_remedy_that_works(
    place: Path, run: Run, capsys: Capture
) -> None:
    assert [run("register", "majority"), run("promote", "--bootstrap")] == [0, 0]
    shutil.rmtree(folder_of(place))
    fault = f"the files of {NAME}, version 1, are missing"
    capsys.readouterr()
    assert predict(run, place) == 2
    error = capsys.readouterr().err
    assert fault in error
    assert "`microfacial promote --force REASON`" in error
    run("doctor")
    assert fault in capsys.readouterr().out
    assert run("lineage") == 0
    assert "files    missing" in capsys.readouterr().out
    assert run("register", "linear_svm") == 0
    assert run("promote") == 2
    assert fault in capsys.readouterr().err
    assert run("promote", "--force", "files lost") == 0
    assert predict(run, place) == 0


def test_a_challenger_without_files_is_refused_even_by_force(place: Path, run: Run, capsys: Capture) -> None:
    assert [run("register", "majority"), run("promote", "--bootstrap"), run("register", "linear_svm")] == [0, 0, 0]
    shutil.rmtree(folder_of(place, 2))
    capsys.readouterr()
    assert run("promote", "--force", "anyway") == 2
    assert f"the files of {NAME}, version 2, are missing" in capsys.readouterr().err


def test_lineage_says_whether_the_run_of_a_version_was_deleted(place: Path, run: Run, capsys: Capture) -> None:
    assert run("register", "majority") == 0
    client, number = connect(place), model_run(place, "majority")
    client.delete_run(number)
    capsys.readouterr()
    assert run("lineage") == 0
    assert f"{number} (deleted in MLflow)" in capsys.readouterr().out
    with closing(sqlite3.connect(database_path(place))) as connection, connection:
        connection.execute("UPDATE model_versions SET run_id = ?", ("f" * 32,))
    assert run("lineage") == 0
    assert f"{'f' * 32} (deleted permanently" in capsys.readouterr().out


def test_register_says_that_mlflow_has_no_run_of_the_training(
    place: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    connect(place).delete_run(model_run(place, "majority"))
    assert run("register", "majority") == 0
    assert "microfacial sync" in caplog.text


@pytest.mark.parametrize("command", ["compare linear_svm majority", "report"])
def test_commands_that_read_only_results_need_no_store(
    place: Path, run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    shutil.copy(ROOT / "constraints.txt", place)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}")  # a folder
    assert run(*command.split()) == 0


@pytest.mark.parametrize(
    "command", ["sync", "register majority", "promote", "rollback", "lineage", "predict x", "doctor"]
)
def test_commands_that_need_the_store_name_the_same_fault(
    place: Path, run: Run, capsys: Capture, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}")
    assert run(*command.split()) == 2
    output = capsys.readouterr()
    assert f"{place} is a folder, not a database" in output.err + output.out
    assert "Traceback" not in output.err
